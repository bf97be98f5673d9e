"""The checks catch what they are for: each component here breaks its contract in one way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from hvpkit.contracts import (
    Fused,
    Fusion,
    FusionContext,
    Gate,
    Head,
    HeadContext,
    LevelInfo,
    PrefixShape,
    Projector,
    TextBatch,
    TextContext,
    VisionContext,
    Visual,
    VisualBackbone,
)
from hvpkit.data.reading import Dataset, ReaderContext
from hvpkit.gates.dynamic import DynamicGate
from hvpkit.heads.classifiers import ClsHead
from hvpkit.heads.crf import CrfHead
from hvpkit.registry import load_registry
from hvpkit.testing import check_backbone, check_fusion, check_gate, check_head, check_projector, check_reader, check_text_encoder
from hvpkit.testing.inputs import LABELS
from hvpkit.text.hugging_face import HuggingFaceEncoder
from hvpkit.types import Example, Labels, Relation, Span
from hvpkit.vision.cnn_from_scratch import CnnFromScratch
from hvpkit.vision.stages import StagesProjector

REGISTRY = load_registry()


# --------------------------------------------------------------------------------------------------------------------- gates
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
    def __init__(self, shape: PrefixShape) -> None:
        super().__init__(shape)
        self.unused = nn.Linear(2, 2)


class Forgets(DynamicGate):
    def __init__(self, shape: PrefixShape) -> None:
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
    ("gate", "message"),
    [
        (lambda shape: None, "its factory gives None"),
        (MixesExamples, "an example's weights alone and in a batch differ by"),
        (SumsToTwo, "a layer's weights added up, and 1, differ by 1"),
        (Negative, "some weights are below 0"),
        (Guesses, "differ"),
        (OneForAll, r"weights should be \[3, 3, 6, 4\], not \[3, 1, 6, 4\]"),
        (Idle, r"no gradient reaches unused\.weight, unused\.bias"),
        (Forgets, "its output and that of another one with its state differ"),
        (CountsMissing, "the penalties before and after a missing picture's weights change differ"),
        (EmptyIsNan, "the penalty of a batch whose pictures are all masked should be finite"),
    ],
)
def test_a_broken_gate(gate: type[Gate], message):
    with pytest.raises(AssertionError, match=message):
        check_gate(gate)


# ---------------------------------------------------------------------------------------------------------------- projectors
class Narrow(StagesProjector):
    def __init__(self, shape: PrefixShape) -> None:
        super().__init__(replace(shape, width=3))


class Centred(StagesProjector):
    def forward(self, visual: Visual) -> Tensor:
        levels = super().forward(visual)
        return levels - levels.mean(0, keepdim=True)


class LastLevel(StagesProjector):
    def forward(self, visual: Visual) -> Tensor:
        return super().forward(visual)[:, :, -1:]


class Fp32Alone(StagesProjector):
    def forward(self, visual: Visual) -> Tensor:
        levels = super().forward(visual)
        kept = torch.zeros(levels.shape)
        kept[visual.mask] = levels[visual.mask]
        return kept + levels.masked_fill(visual.mask[:, :, None, None, None], 0.0)


@pytest.mark.parametrize(
    ("projector", "message"),
    [
        (Narrow, "its width is 3, neither d = 16 nor 2d"),
        (Centred, "alone and in a batch differ"),
        (LastLevel, "levels should be"),
        (Fp32Alone, "under autocast to bf16 it fails: Index put requires"),
    ],
)
def test_a_broken_projector(projector: type[Projector], message):
    with pytest.raises(AssertionError, match=message):
        check_projector(projector)


# ------------------------------------------------------------------------------------------------------------------- fusions
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


class NeedsPictures(Adds):
    def forward(self, encoder, text, visual, extras, trace=None) -> Fused:
        return Fused(encoder(text).states + self.map(visual.levels[0].mean((1, 3)))[:, None]) if visual else Fused(encoder(text).states)


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
    def prepare(self, example, encoded) -> dict[str, Tensor]:
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
    ("fusion", "message"),
    [
        (NeedsPictures, "without pictures and with all of them masked differ"),
        (KeepsEncoder, "it keeps the text encoder or the backbone as its own part"),
        (SeesNeighbours, "an example alone and in a padded batch differ"),
        (SaysNothing, "neither states nor a pooled state"),
        (RowOfLosses, r"the loss 'mine' should be \[\], not \[3\]"),
        (TraceDisturbs, "with and without a trace differ"),
        (Unsteady, "what is prepared for an example, and the same again, differ"),
    ],
)
def test_a_broken_fusion(fusion: type[Fusion], message):
    with pytest.raises(AssertionError, match=message):
        check_fusion(fusion)


def test_a_fusion_that_cannot_be_opened_again():
    with pytest.raises(RuntimeError, match="size mismatch for table"):
        check_fusion(LosesVocabulary)


# --------------------------------------------------------------------------------------------------------------------- heads
class ReadsPadding(ClsHead):
    def summary(self, fused: Fused, text: TextBatch) -> Tensor:
        return fused.states.mean(1)


class Unsorted(ClsHead):
    def decode(self, scores: Tensor, text: TextBatch) -> list[Relation]:
        return [replace(relation, probabilities=relation.probabilities[::-1]) for relation in super().decode(scores, text)]


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
    ("head", "task", "message"),
    [
        (ReadsPadding, "mre", "before and after padding changes differ"),
        (Unsorted, "mre", "do not fall"),
        (LossPerRow, "mre", r"the loss should be \[\], not \[3\]"),
        (Sure, "mner", r"a confidence of 1\.5 is no probability"),
        (PastTheEnd, "mner", "leave the text|differ"),
    ],
)
def test_a_broken_head(head: type[Head], task, message):
    def make(context: HeadContext) -> Head:
        return head(context, 0.1)

    with pytest.raises(AssertionError, match=message):
        check_head(make, task=task)


# ----------------------------------------------------------------------------------------------------------------- backbones
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
    ("backbone", "message"),
    [
        (WrongLevels, "a map should be"),
        (Upended, "do not go from fine to coarse"),
        (SeesTheBatch, "a picture's maps alone and in a batch differ"),
        (OneSize, r"pixels should be \[3, 64, 64\], not \[3, 32, 32\]"),
    ],
)
def test_a_broken_backbone(backbone: type[VisualBackbone], message):
    def make(context: VisionContext, *, weights: str) -> VisualBackbone:
        return backbone(context)

    with pytest.raises(AssertionError, match=message):
        check_backbone(make)


# ------------------------------------------------------------------------------------------------------------- text encoders
class NoPadding(HuggingFaceEncoder):
    def forward(self, text, prefix=None, trace=None):
        return super().forward(replace(text, mask=torch.ones_like(text.mask)), prefix, trace)


class IgnoresPrefix(HuggingFaceEncoder):
    def accept_prefix(self) -> None:
        super().accept_prefix()

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
        one = super().encode(replace(example, head=Span(0, 1), tail=Span(0, 1)) if example.head else example, max_length)
        return one


@pytest.mark.parametrize(
    ("kind", "task", "message"),
    [
        (NoPadding, "mner", "a text's states alone and in a padded batch differ"),
        (IgnoresPrefix, "mner", "a prefix does not move the states"),
        (ShiftedWords, "mner", r"are not the words' first positions"),
        (NeverCuts, "mner", "it uses 82 positions, of 16 at most|was not cut|positions"),
        (LosesWords, "mner", r"2 words kept and 0 cut are not 4"),
        (CutsThePair, "mre", "is not refused with DataError|was cut away"),
    ],
)
def test_a_broken_text_encoder(kind: type[HuggingFaceEncoder], task, message):
    def make(context: TextContext) -> HuggingFaceEncoder:
        encoder = REGISTRY.build("text encoder", "bert-from-scratch", context, {"width": 16, "layers": 2, "heads": 2})
        encoder.__class__ = kind
        return encoder

    with pytest.raises(AssertionError, match=message):
        check_text_encoder(make, task=task, prefix=True)


def test_an_encoder_that_takes_a_prefix_must_say_so():
    factory = REGISTRY.get("text encoder", "bert-from-scratch").factory
    with pytest.raises(AssertionError, match="it accepts a prefix, though it was not said to take one"):
        check_text_encoder(factory, prefix=False, width=16, layers=2, heads=2)


# ------------------------------------------------------------------------------------------------------------------- readers
GOOD = Example("1", ("Ann", "sings"), tags=("B-PER", "O"))
SEEN = replace(GOOD, image=Path("/data/a.jpg"))


def reader_of(*examples: Example, root: str = "/data", labels: Labels = LABELS["mner"], forgetful: bool = False, blind: bool = True):
    times: list[int] = []

    def read(context: ReaderContext) -> Dataset:
        times.append(1)
        found = [replace(e, image=None) if context.text_only and blind else e for e in examples]
        return Dataset(labels, {"train": found[len(times) - 1 :] if forgetful else found}, Path(root), "here")

    return read


def test_a_reader_of_a_stranger_that_keeps_the_contract_passes():
    check_reader(reader_of(SEEN, replace(GOOD, id="2")))


@pytest.mark.parametrize(
    ("reader", "message"),
    [
        (reader_of(), "it finds no example"),
        (reader_of(GOOD, GOOD), "some examples of train have the same id"),
        (reader_of(replace(GOOD, tags=("O",))), "train: example '1': 1 tags for 2 words"),
        (reader_of(replace(GOOD, tags=("O", "B-DOG"))), "'B-DOG' is not one of the dataset's labels"),
        (reader_of(SEEN, root="/elsewhere"), r"the picture /data/a\.jpg does not lie under /elsewhere"),
        (reader_of(GOOD, labels=LABELS["mre"]), "its labels are for mre, not mner"),
        (reader_of(GOOD, replace(GOOD, id="2"), forgetful=True), "it gives other examples the second time"),
        (reader_of(SEEN, blind=False), "it names pictures where none are wanted"),
    ],
)
def test_a_broken_reader(reader, message):
    with pytest.raises(AssertionError, match=message):
        check_reader(reader)


def test_the_checks_leave_random_numbers_as_they_were():
    before = torch.random.get_rng_state()
    check_gate(DynamicGate)
    assert torch.equal(torch.random.get_rng_state(), before)
