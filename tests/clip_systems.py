"""A CLIP, a BERT of its sizes, and fusions that run both side by side, for tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import tiny
import torch
from small_models import save_clip, save_encoder
from torch import Tensor

import hvpkit
from hvpkit.data.prepared import PreparedData
from hvpkit.evaluation.evaluate import evaluate
from hvpkit.explain.explain_example import explain_example
from hvpkit.inference.inputs import parse_example
from hvpkit.interfaces import (
    Fusion,
    FusionContext,
    ImageBatch,
    TextBatch,
    TextContext,
    TextEncoder,
    Trace,
    VisionContext,
    Visual,
)
from hvpkit.model.text.hugging_face import HuggingFaceEncoder
from hvpkit.registry import load_registry
from hvpkit.saving.model_folder import open_model_folder
from hvpkit.testing.inputs import EXAMPLES, LABELS, encode, text_batch
from hvpkit.training.train import train
from hvpkit.types import Example, Task

REGISTRY = load_registry()
EXISTING = torch.tensor([[True, True, True, True, True], [True, False, True, False, True], [False] * 5])


@dataclass(frozen=True)
class System:
    """A fusion over five crops, three large and two small, with BERT and three texts."""

    fusion: Fusion
    encoder: TextEncoder
    text: TextBatch
    visual: Visual

    def states(self, visual: Visual | None, text: TextBatch | None = None, trace: Trace | None = None) -> Tensor:
        states = self.fusion(self.encoder, text or self.text, visual, {}, trace).states
        assert states is not None
        return states


def system_of(folder: Path, name: str, **options: object) -> System:
    """Build a fusion with CLIP's layers and the backbone `clip-patches`, of crops of 64 and 32 pixels."""
    torch.manual_seed(1)
    clip, bert = str(save_clip(folder / "clip")), str(save_encoder(folder / "bert", "bert"))
    backbone = REGISTRY.get("visual backbone", "clip-patches").factory(VisionContext(64), weights=clip)
    encoder = REGISTRY.get("text encoder", "hugging-face").factory(TextContext("mner"), name=bert).eval()
    context = FusionContext(LABELS["mner"], encoder, backbone, 4, False, 5, lambda *parts: None)
    fusion = REGISTRY.get("fusion", name).factory(context, **{"clip": clip, **options}).eval()
    return System(fusion, encoder, text_batch(encoder, encode(encoder, EXAMPLES["mner"])), visual_of(EXISTING))


def visual_of(mask: Tensor, seed: int = 0) -> Visual:
    """Random tokens of regions that exist, zeros of the others."""
    generator = torch.Generator().manual_seed(seed)
    levels = (torch.randn(*mask.shape, 32, cells, generator=generator) for cells in (16, 4))
    boxes = torch.zeros(*mask.shape, 4)
    return Visual(tuple(level * mask[..., None, None] for level in levels), ImageBatch(mask, boxes))


def check_regions(system: System) -> None:
    """Regions change the states of their examples alone; missing ones and the unused level of each change nothing."""
    visual, text = system.visual, system.text
    seen, blind = (system.states(given) for given in (visual, None))
    assert [bool((seen - blind)[row].abs().max() > 1e-4) for row in range(3)] == [True, True, False]
    missing = 100 * ~visual.mask[..., None, None]
    noise = torch.cat([torch.zeros(3, 1, 1), torch.full((2, 1, 1), 9.0)])
    levels = visual.levels[0] + missing + noise, visual.levels[1] + missing + 9.0 - noise
    torch.testing.assert_close(system.states(replace(visual, levels=levels)), seen, atol=1e-5, rtol=1e-5)
    for level, crops in ((0, slice(0, 3)), (1, slice(3, 5))):
        changed = [level.clone() for level in visual.levels]
        changed[level][:, crops] *= -1
        assert (system.states(replace(visual, levels=tuple(changed))) - seen)[text.mask].abs().max() > 1e-4


def check_padding(system: System) -> bool:
    """Compare the states of three texts with those of the same texts, padded further."""
    padded = text_batch(
        system.encoder,
        encode(system.encoder, (*EXAMPLES["mner"], Example("long", ("Ada", "visits", "Zoë") * 5))),
    )
    padded = replace(padded, features={"input_ids": padded.features["input_ids"][:3]}, mask=padded.mask[:3])
    first, second = system.states(system.visual)[system.text.mask], system.states(system.visual, padded)[padded.mask]
    return torch.allclose(first, second, atol=1e-5)


def check_trace(system: System, heads: int, layers: int, sees_text: bool) -> None:
    """Attention is of words on the 2x2 cells of each region that exists, and on the text."""
    trace = Trace()
    system.states(system.visual, trace=trace)
    length = system.text.mask.shape[1]
    assert trace.cells is not None
    assert torch.equal(trace.cells, torch.arange(20).expand(heads, -1))
    assert len(trace.attention) == layers
    exists = system.visual.mask.repeat_interleave(4, 1)
    for attention in trace.attention:
        assert attention.shape == (3, heads, length, 20 + length)
        torch.testing.assert_close(attention.sum(-1), torch.ones(3, heads, length))
        cells = attention[..., :20].permute(0, 3, 1, 2)
        assert not cells[~exists].any()
        assert (cells[exists] > 0).any(0).all()
        assert bool(attention[:2, ..., 20:].any()) is sees_text


def check_life(
    data: PreparedData, task: Task, folder: Path, fusion: Callable[[str], str], break_sources: Callable[[Path], None]
) -> None:
    """Train with BERT and CLIP from local folders, score, predict and explain, also without these folders."""
    clip, bert = str(save_clip(folder / "clip")), str(save_encoder(folder / "bert", "bert"))
    vision = f"{{backbone: clip-patches, weights: {clip}, full_image: false, max_objects: 4, missing: zeros, "
    vision += "grid: 2, image_size: 64, frozen: false}"
    markers = ", markers: release" if task == "mre" else ""
    settings = (f"text={{name: {bert}, layout: wordpieces{markers}}}", f"vision={vision}", f"fusion={fusion(clip)}")
    settings += ("head={name: crf, labels: wordpieces}", "scoring=wordpieces") if task == "mner" else ()
    recipe = tiny.recipe(folder, data.folder, task, overrides=(*settings, "train.decay_all=true"))
    finished = train(recipe, REGISTRY, folder / "model")
    break_sources(folder)
    assert evaluate(open_model_folder(finished.folder), "test").scores == finished.test
    predictor = hvpkit.load(finished.folder, device="cpu")
    explained = explain_example(predictor, parse_example(data.examples("test")[0], predictor.folder.recipe))
    assert {change.kind for change in explained.counterfactuals} == {"no images", "no object"}
    looks = [look for look in explained.attention if look is not None]
    assert looks
    for look in looks:
        for images, text in zip(look.cells, look.text, strict=True):
            assert [len(image) for image in images] == [4, 4, 4, 4]  # missing crops are read as zeros
            assert sum(map(sum, images)) + text == pytest.approx(1.0, abs=1e-4)


def text_alone(encoder: HuggingFaceEncoder, text: TextBatch) -> Tensor:
    """The states of the text encoder's own network."""
    states: Tensor = encoder.model(**text.features, attention_mask=text.mask.long()).last_hidden_state
    return states
