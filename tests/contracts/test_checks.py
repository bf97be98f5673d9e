"""The checks catch what they are for: each component here breaks its contract in one way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from hvpkit.data.readers.base import DatasetReader, DatasetSplits
from hvpkit.errors import InputError
from hvpkit.interfaces import (
    DetectorContext,
    Fused,
    Fusion,
    FusionContext,
    Gate,
    Head,
    HeadContext,
    LevelInfo,
    ObjectDetector,
    PrefixConfig,
    Projector,
    TextBatch,
    TextContext,
    VisionContext,
    Visual,
    VisualBackbone,
)
from hvpkit.messages import Message
from hvpkit.model.gates.dynamic import DynamicGate
from hvpkit.model.heads.classifiers import ClsHead
from hvpkit.model.heads.crf import CrfHead
from hvpkit.model.projectors.per_level import PerLevelProjector
from hvpkit.model.text.hugging_face import HuggingFaceEncoder
from hvpkit.model.vision.cnn_from_scratch import CnnFromScratch
from hvpkit.registry import load_registry
from hvpkit.testing import (
    CheckFailed,
    check_backbone,
    check_detector,
    check_fusion,
    check_gate,
    check_head,
    check_projector,
    check_reader,
    check_text_encoder,
)
from hvpkit.testing.inputs import LABELS
from hvpkit.types import Box, Example, Labels, Relation, Span, VisualObject

REGISTRY = load_registry()


@contextmanager
def fails(code: str, **fields: object) -> Iterator[pytest.ExceptionInfo[CheckFailed]]:
    """Expect a check to fail with this code, and with these values among its fields."""
    with pytest.raises(CheckFailed) as caught:
        yield caught
    message = caught.value.message
    assert message.code == code, message
    assert {name: message.fields.get(name) for name in fields} == fields


# ---------------------------------------------------------------------------------------------------------------------
# gates
class MixesExamples(DynamicGate):
    def forward(self, levels: Tensor) -> Tensor:
        return super().forward(levels - levels.mean(0, keepdim=True))


class SumsToTwo(DynamicGate):
    def forward(self, levels: Tensor) -> Tensor:
        return 2 * super().forward(levels)


class Negative(DynamicGate):
    def forward(self, levels: Tensor) -> Tensor:
        weights = super().forward(levels)
        return weights + torch.linspace(-2, 2, weights.shape[-1])


class Guesses(DynamicGate):
    def forward(self, levels: Tensor) -> Tensor:
        return (super().forward(levels) + torch.rand(len(self.linear.bias) // self.layers)).softmax(-1)


class OneForAll(DynamicGate):
    def forward(self, levels: Tensor) -> Tensor:
        return super().forward(levels)[:, :1]


class Idle(DynamicGate):
    def __init__(self, shape: PrefixConfig) -> None:
        super().__init__(shape)
        self.unused = nn.Linear(2, 2)


class Forgets(DynamicGate):
    def __init__(self, shape: PrefixConfig) -> None:
        super().__init__(shape)
        self.shift = torch.randn(len(shape.channels))  # neither a parameter nor a buffer

    def forward(self, levels: Tensor) -> Tensor:
        return (super().forward(levels) + self.shift).softmax(-1)


class CountsMissing(DynamicGate):
    def penalty(self, weights: Tensor, mask: Tensor) -> Tensor:
        return weights.square().mean()


class EmptyIsNan(DynamicGate):
    def penalty(self, weights: Tensor, mask: Tensor) -> Tensor:
        return weights[mask].square().mean()


@pytest.mark.parametrize(
    ("gate", "code", "fields"),
    [
        (lambda shape: None, "factory-returns-none", {}),
        (MixesExamples, "batch-changes-output", {"output": "an example's weights"}),
        (SumsToTwo, "sum-not-one", {"output": "a layer's weights"}),
        (Negative, "negative-weights", {}),
        (Guesses, "batch-changes-output", {}),
        (OneForAll, "output-shape", {"output": "weights", "expected": [3, 3, 6, 4], "found": [3, 1, 6, 4]}),
        (Idle, "no-gradient", {"names": ["unused.weight", "unused.bias"]}),
        (Forgets, "state-incomplete", {}),
        (CountsMissing, "missing-image-counts", {}),
        (EmptyIsNan, "output-not-finite", {"output": "the penalty of a batch whose images are all masked"}),
    ],
)
def test_a_broken_gate(gate: type[Gate], code, fields):
    with fails(code, **fields):
        check_gate(gate)


def test_difference_of_numbers_is_reported():
    with fails("sum-not-one") as failed:
        check_gate(SumsToTwo)
    difference = failed.value.message.fields["difference"]
    assert difference.code == "difference-amount"
    assert difference.fields["amount"] == pytest.approx(1, abs=1e-4)


# ----------------------------------------------------------------------------------------------------------------
# projectors
class Narrow(PerLevelProjector):
    def __init__(self, shape: PrefixConfig) -> None:
        super().__init__(replace(shape, width=3))


class Centred(PerLevelProjector):
    def forward(self, visual: Visual) -> Tensor:
        levels = super().forward(visual)
        return levels - levels.mean(0, keepdim=True)


class LastLevel(PerLevelProjector):
    def forward(self, visual: Visual) -> Tensor:
        return super().forward(visual)[:, :, -1:]


class Fp32Alone(PerLevelProjector):
    def forward(self, visual: Visual) -> Tensor:
        levels = super().forward(visual)
        kept = torch.zeros(levels.shape)
        kept[visual.mask] = levels[visual.mask]
        return kept + levels.masked_fill(visual.mask[:, :, None, None, None], 0.0)


@pytest.mark.parametrize(
    ("projector", "code", "fields"),
    [
        (Narrow, "projector-width", {"found": 3, "expected": 16}),
        (Centred, "batch-changes-output", {"output": "an example's levels"}),
        (LastLevel, "output-shape", {"output": "levels", "expected": [3, 3, 4, 4, 16], "found": [3, 3, 1, 4, 16]}),
        (Fp32Alone, "bf16-fails", {}),
    ],
)
def test_a_broken_projector(projector: type[Projector], code, fields):
    with fails(code, **fields) as failed:
        check_projector(projector)
    assert code != "bf16-fails" or "Index put requires" in failed.value.message.fields["reason"]


# -------------------------------------------------------------------------------------------------------------------
# fusions
class Adds(Fusion):
    """Adds the mean of the first level to every state."""

    def __init__(self, context: FusionContext) -> None:
        super().__init__()
        self.width = context.text.width
        self.map = nn.Linear(context.backbone.levels[0].channels, self.width)

    def forward(self, encoder, text, visual, extras, trace=None) -> Fused:
        states = encoder(text).states
        if visual is None:
            return Fused(states + 0 * self.map.bias)
        seen = visual.mask.any(1)[:, None, None]
        return Fused(states + seen * self.map(visual.levels[0].mean((1, 3)))[:, None])


class NeedsImages(Adds):
    def forward(self, encoder, text, visual, extras, trace=None) -> Fused:
        return (
            Fused(encoder(text).states + self.map(visual.levels[0].mean((1, 3)))[:, None])
            if visual
            else Fused(encoder(text).states)
        )


class KeepsEncoder(Adds):
    def __init__(self, context: FusionContext) -> None:
        super().__init__(context)
        self.encoder = context.text


class SeesNeighbours(Adds):
    def forward(self, encoder, text, visual, extras, trace=None) -> Fused:
        fused = super().forward(encoder, text, visual, extras)
        return replace(fused, states=fused.states + fused.states.mean(0, keepdim=True))


class SaysNothing(Adds):
    def forward(self, encoder, text, visual, extras, trace=None) -> Fused:
        return Fused()


class RowOfLosses(Adds):
    def forward(self, encoder, text, visual, extras, trace=None) -> Fused:
        return replace(super().forward(encoder, text, visual, extras), losses={"mine": torch.zeros(3)})


class TraceDisturbs(Adds):
    def forward(self, encoder, text, visual, extras, trace=None) -> Fused:
        fused = super().forward(encoder, text, visual, extras)
        return fused if trace is None else replace(fused, states=fused.states + 1)


class Unsteady(Adds):
    def build_inputs(self, example, encoded) -> dict[str, Tensor]:
        return {"edges": torch.rand(2)}


class LosesVocabulary(Adds):
    """Its sizes come from the examples, and it saves nothing of them."""

    def __init__(self, context: FusionContext) -> None:
        super().__init__(context)
        self.table = nn.Parameter(torch.ones(len(context.examples)))

    def forward(self, encoder, text, visual, extras, trace=None) -> Fused:
        fused = super().forward(encoder, text, visual, extras)
        return replace(fused, states=fused.states * self.table.sum())


def test_a_fusion_of_a_stranger_that_keeps_the_contract_passes():
    check_fusion(Adds)
    check_fusion(Adds, task="mre")


@pytest.mark.parametrize(
    ("fusion", "code", "fields"),
    [
        (NeedsImages, "masked-image-counts", {}),
        (KeepsEncoder, "borrowed-module", {}),
        (SeesNeighbours, "batch-changes-output", {"output": "an example"}),
        (SaysNothing, "nothing-fused", {}),
        (RowOfLosses, "output-shape", {"output": "the loss 'mine'", "expected": [], "found": [3]}),
        (TraceDisturbs, "trace-changes-output", {"output": "the output"}),
        (Unsteady, "prepared-values-differ", {}),
    ],
)
def test_a_broken_fusion(fusion: type[Fusion], code, fields):
    with fails(code, **fields):
        check_fusion(fusion)


def test_fusion_that_cannot_be_loaded_fails():
    with pytest.raises(RuntimeError, match="table"):
        check_fusion(LosesVocabulary)


# ---------------------------------------------------------------------------------------------------------------------
# heads
class ReadsPadding(ClsHead):
    def relation_features(self, fused: Fused, text: TextBatch) -> Tensor:
        return fused.states.mean(1)


class Unsorted(ClsHead):
    def decode(self, scores: Tensor, text: TextBatch) -> list[Relation]:
        return [
            replace(relation, probabilities=relation.probabilities[::-1]) for relation in super().decode(scores, text)
        ]


class LossPerRow(ClsHead):
    def loss(self, scores: Tensor, text: TextBatch, targets: dict[str, Tensor]) -> Tensor:
        return nn.functional.cross_entropy(scores, targets["relation"], reduction="none")


class Sure(CrfHead):
    def decode(self, scores: Tensor, text: TextBatch) -> list:
        return [[replace(entity, confidence=1.5) for entity in row] for row in super().decode(scores, text)]


class PastTheEnd(CrfHead):
    def decode(self, scores: Tensor, text: TextBatch) -> list:
        return super().decode(scores, replace(text, word_mask=torch.ones_like(text.word_mask)))


@pytest.mark.parametrize(
    ("head", "task", "code", "fields"),
    [
        (ReadsPadding, "mre", "padding-changes-loss", {}),
        (Unsorted, "mre", "wrong-probabilities", {}),
        (LossPerRow, "mre", "output-shape", {"output": "the loss", "expected": [], "found": [3]}),
        (Sure, "mner", "wrong-confidence", {"confidence": 1.5}),
        (PastTheEnd, "mner", "wrong-entities", {}),
    ],
)
def test_a_broken_head(head: type[Head], task, code, fields):
    def make(context: HeadContext) -> Head:
        return head(context, 0.1)

    with fails(code, **fields):
        check_head(make, task=task)


# -----------------------------------------------------------------------------------------------------------------
# backbones
class WrongLevels(CnnFromScratch):
    def __init__(self, context: VisionContext) -> None:
        super().__init__(context, 8)
        self.levels = tuple(LevelInfo(level.channels, 2 * level.stride) for level in self.levels)


class Upended(CnnFromScratch):
    def __init__(self, context: VisionContext) -> None:
        super().__init__(context, 8)
        self.levels = self.levels[::-1]

    def forward(self, pixels: Tensor) -> list[Tensor]:
        return super().forward(pixels)[::-1]


class SeesTheBatch(CnnFromScratch):
    def __init__(self, context: VisionContext) -> None:
        super().__init__(context, 8)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        return super().forward(pixels - pixels.mean(0, keepdim=True))


class OneSize(CnnFromScratch):
    def __init__(self, context: VisionContext) -> None:
        super().__init__(replace(context, size=32), 8)


@pytest.mark.parametrize(
    ("backbone", "code", "fields"),
    [
        (WrongLevels, "output-shape", {"output": "a map"}),
        (Upended, "levels-unordered", {}),
        (SeesTheBatch, "batch-changes-output", {"output": "an image's maps"}),
        (OneSize, "output-shape", {"output": "pixels", "expected": [3, 64, 64], "found": [3, 32, 32]}),
    ],
)
def test_a_broken_backbone(backbone: type[VisualBackbone], code, fields):
    def make(context: VisionContext, *, weights: str) -> VisualBackbone:
        return backbone(context)

    with fails(code, **fields):
        check_backbone(make)


def test_a_backbone_that_takes_no_weights():
    def make(context: VisionContext) -> VisualBackbone:
        return OneSize(context)

    with fails("no-weights-option", name="make"):
        check_backbone(make)


# ------------------------------------------------------------------------------------------------------------- text
# encoders
class NoPadding(HuggingFaceEncoder):
    def forward(self, text, prefix=None, trace=None):
        return super().forward(replace(text, mask=torch.ones_like(text.mask)), prefix, trace)


class IgnoresPrefix(HuggingFaceEncoder):
    def enable_prefix(self) -> None:
        super().enable_prefix()

    def forward(self, text, prefix=None, trace=None):
        return super().forward(text, None, trace)


class ShiftedWords(HuggingFaceEncoder):
    def encode(self, example, max_length):
        one = super().encode(example, max_length)
        return replace(one, word_starts=one.word_starts - 1)


class NeverCuts(HuggingFaceEncoder):
    def encode(self, example, max_length):
        return super().encode(example, 512)


class LosesWords(HuggingFaceEncoder):
    def encode(self, example, max_length):
        seen = replace(example, words=tuple(word for word in example.words if word.isascii()))
        return super().encode(seen if seen.words else example, max_length)


class CutsThePair(HuggingFaceEncoder):
    def encode(self, example, max_length):
        one = super().encode(
            replace(example, head=Span(0, 1), tail=Span(0, 1)) if example.head else example, max_length
        )
        return one


@pytest.mark.parametrize(
    ("kind", "task", "code", "fields"),
    [
        (NoPadding, "mner", "batch-changes-output", {"output": "a text's states"}),
        (IgnoresPrefix, "mner", "prefix-ignored", {}),
        (ShiftedWords, "mner", "wrong-word-starts", {}),
        (NeverCuts, "mner", "too-many-positions", {"maximum": 16}),
        (LosesWords, "mner", "lost-words", {"kept": 2, "cut": 0, "words": 4}),
        (CutsThePair, "mre", "long-pair-accepted", {}),
    ],
)
def test_a_broken_text_encoder(kind: type[HuggingFaceEncoder], task, code, fields):
    def make(context: TextContext) -> HuggingFaceEncoder:
        encoder = REGISTRY.build(
            "text encoder", "bert-from-scratch", context, {"width": 16, "num_layers": 2, "num_attention_heads": 2}
        )
        encoder.__class__ = kind
        return encoder

    with fails(code, **fields):
        check_text_encoder(make, task=task, prefix=True)


class IgnoresLayers(HuggingFaceEncoder):
    def enable_layers(self) -> None:
        self.enable_prefix()


def test_an_encoder_that_calls_a_prefix_in_its_attention_alone():
    def make(context: TextContext) -> HuggingFaceEncoder:
        sizes = {"width": 16, "num_layers": 2, "num_attention_heads": 2}
        encoder = REGISTRY.build("text encoder", "bert-from-scratch", context, sizes)
        encoder.__class__ = IgnoresLayers
        return encoder

    with fails("prefix-calls", found=["for_layer", "receive_context"] * 2):
        check_text_encoder(make, prefix=True, layers=True)


def test_encoder_with_layers_must_declare_them():
    factory = REGISTRY.get("text encoder", "bert-from-scratch").factory
    with fails("undeclared-layers"):
        check_text_encoder(factory, prefix=True, width=16, num_layers=2, num_attention_heads=2)


def test_encoder_with_prefix_must_declare_it():
    factory = REGISTRY.get("text encoder", "bert-from-scratch").factory
    with fails("undeclared-prefix"):
        check_text_encoder(factory, prefix=False, width=16, num_layers=2, num_attention_heads=2)


# -------------------------------------------------------------------------------------------------------------------
# readers
GOOD = Example("1", ("Ann", "sings"), tags=("B-PER", "O"))
SEEN = replace(GOOD, image=Path("/data/a.jpg"))


def reader_of(
    *examples: Example,
    root: str = "/data",
    labels: Labels = LABELS["mner"],
    forgetful: bool = False,
    blind: bool = True,
):
    times: list[int] = []

    class Reader(DatasetReader):
        def read(self) -> DatasetSplits:
            times.append(1)
            found = [replace(e, image=None) if self.context.text_only and blind else e for e in examples]
            return DatasetSplits(labels, {"train": found[len(times) - 1 :] if forgetful else found}, Path(root), "here")

    return Reader


def test_a_reader_of_a_stranger_that_keeps_the_contract_passes():
    check_reader(reader_of(SEEN, replace(GOOD, id="2")))


@pytest.mark.parametrize(
    ("reader", "code", "fields"),
    [
        (reader_of(), "reader-without-examples", {}),
        (reader_of(GOOD, GOOD), "shared-example-id", {"split": "train"}),
        (
            reader_of(SEEN, root="/elsewhere"),
            "image-outside-root",
            {"image": Path("/data/a.jpg"), "root": Path("/elsewhere")},
        ),
        (reader_of(GOOD, labels=LABELS["mre"]), "reader-wrong-task", {"found": "mre", "expected": "mner"}),
        (reader_of(GOOD, replace(GOOD, id="2"), forgetful=True), "reader-not-deterministic", {}),
        (reader_of(SEEN, blind=False), "reader-unwanted-images", {}),
    ],
)
def test_a_broken_reader(reader, code, fields):
    with fails(code, **fields):
        check_reader(reader)


@pytest.mark.parametrize(
    ("tags", "code", "fields"),
    [
        (("O",), "example-tag-count-mismatch", {"found": 1, "expected": 2}),
        (("O", "B-DOG"), "example-label-unknown", {"label": "B-DOG", "labels": LABELS["mner"].names}),
    ],
)
def test_examples_that_do_not_hold_together(tags, code, fields):
    with fails("invalid-example", split="train") as failed:
        check_reader(reader_of(replace(GOOD, tags=tags)))
    reason = failed.value.message.fields["reason"]
    assert (reason.code, reason.fields) == (code, {"id": "1", **fields})


# -----------------------------------------------------------------------------------------------------------------
# detectors
class Annotated(ObjectDetector):
    """Finds what the example brings, one object an image."""

    version = "1"

    def __init__(self, context: DetectorContext) -> None:
        self.calls = 0

    def detect(self, queries):
        self.calls += 1
        return [[VisualObject(box=query.example.objects[0].box, score=0.5)] for query in queries]


class Nameless(Annotated):
    version = ""


class Skips(Annotated):
    def detect(self, queries):
        return super().detect(queries)[1:]


class Counts(Annotated):
    def detect(self, queries):
        return [found * self.calls for found in super().detect(queries)]


class Boundless(Annotated):
    def detect(self, queries):
        return [[replace(item, score=1.5) for item in found] for found in super().detect(queries)]


class Fixed(Annotated):
    def detect(self, queries):
        return [[VisualObject(box=Box(1, 1, 9, 9), score=0.5)] for _ in queries]


class Refuses(Annotated):
    def detect(self, queries):
        return [InputError("os-error", reason="odd", file="") for _ in queries]


def test_a_detector_of_a_stranger_that_keeps_the_contract_passes():
    check_detector(Annotated)


@pytest.mark.parametrize(
    ("detector", "code", "fields"),
    [
        (Nameless, "detector-without-version", {}),
        (Skips, "detector-answer-count", {"found": 2, "expected": 3}),
        (Counts, "detector-not-deterministic", {"difference": Message("object-counts", first=2, second=6)}),
        (Boundless, "score-outside", {"score": 1.5}),
        (
            Fixed,
            "size-changes-objects",
            {"difference": Message("object-boxes", first=Box(0.5, 0.5, 4.5, 4.5), second=Box(1, 1, 9, 9))},
        ),
        (Refuses, "detector-refuses-image", {"reason": Message("os-error", reason="odd", file="")}),
    ],
)
def test_a_broken_detector(detector: type[ObjectDetector], code, fields):
    with fails(code, **fields):
        check_detector(detector)


def test_the_checks_leave_random_numbers_as_they_were():
    before = torch.random.get_rng_state()
    check_gate(DynamicGate)
    assert torch.equal(torch.random.get_rng_state(), before)
