"""Networks and batches of the golden values of MKGformer and IFAformer: BERT, CLIP's layers and crops of two sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from golden import LOSSES, Golden, assert_near, assign, bert_of, gradient_norms, load_bert, load_module, texts_of
from torch import Tensor, nn
from transformers import CLIPVisionConfig

from hvpkit.interfaces import Fused, Fusion, FusionContext, HeadContext, ImageBatch, TextBatch, Trace, Visual
from hvpkit.model.text.hugging_face import HuggingFaceEncoder
from hvpkit.registry import load_registry
from hvpkit.types import Labels
from hvpkit_plugins.clip_layers.backbone import ClipPatches
from hvpkit_plugins.clip_layers.layers import VisionLayers

Kind = Literal["ner", "re"]
REGISTRY = load_registry()
STATES = 1e-4  # tolerance
SHOWN = [0, 1, 17, 48, 49, 60]  # image tokens in the files
TEXT_ROWS = (12, 9)  # real wordpieces


@dataclass(frozen=True)
class System:
    """A fusion with the weights of a file, its neighbors, and a batch."""

    encoder: HuggingFaceEncoder
    backbone: ClipPatches
    fusion: Fusion
    head: nn.Module
    text: TextBatch
    large: Tensor  # [2, 3, 3, 128, 128]
    small: Tensor  # [2, 3, 3, 64, 64]
    weights: dict[str, Tensor]

    def visual(self) -> Visual:
        """The features of both crops; missing crops are zeros, as in the files."""
        sizes = (self.large.flatten(0, 1), self.small.flatten(0, 1))
        large, small = (self.backbone.embedding(pixels).flatten(2).unflatten(0, (2, 3)) for pixels in sizes)
        levels = (torch.cat([large, torch.zeros_like(large)], 1), torch.cat([torch.zeros_like(small), small], 1))
        exists = torch.ones(2, 6, dtype=torch.bool)
        return Visual(levels, ImageBatch(exists, torch.zeros(2, 6, 4)))

    def fused(self, trace: Trace | None = None) -> Fused:
        return self.fusion(self.encoder, self.text, self.visual(), {}, trace)

    def scores(self) -> Tensor:
        """Emissions of all positions, or logits."""
        return self.head(self.fused(), self.text)


def system_of(golden: Golden, kind: Kind, folder: Path, name: str, **options: Any) -> System:
    """Build a fusion by its registered name, with the weights and the batch of a file."""
    torch.manual_seed(0)
    config, weights = golden["config"], golden.parameters("B", kind)
    sizes = {**config["clip"], "layer_norm_eps": 1e-5}
    clip = CLIPVisionConfig(**sizes)
    clip.save_pretrained(folder)
    markers = tuple(config["markers"]) if kind == "re" else ()
    special = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]
    vocabulary = [*special, *(f"w{i}" for i in range(len(special), config["bert"]["vocab_size"]))]
    encoder = bert_of(config["bert"], vocabulary, markers)
    load_bert(encoder, _stock_names(weights), "")
    patches = nn.Conv2d(3, clip.hidden_size, clip.patch_size, clip.patch_size, bias=False)
    assign(patches.weight, weights["model.vision_embeddings.patch_embedding.weight"])
    backbone = ClipPatches(clip, patches, None)
    labels = _labels(golden, kind)
    context = FusionContext(labels, encoder, backbone, 1, False, 6, lambda *parts: None, folder=folder)
    fusion = REGISTRY.get("fusion", name).factory(context, **options)
    load_vision(fusion.vision, weights)
    head_name, head_options = ("crf", {"labels": "wordpieces"}) if kind == "ner" else ("entity-start", {})
    head = REGISTRY.build("head", head_name, HeadContext(labels, fusion.width), {**head_options, "dropout": 0.0})
    load_module(head.linear, weights, "fc." if kind == "ner" else "classifier.")
    if kind == "ner":
        load_module(head.crf, weights, "crf.")
    text, large, small = batch_of(golden, kind)
    return System(encoder.eval(), backbone, fusion.eval(), head.eval(), text, large, small, weights)


def _labels(golden: Golden, kind: Kind) -> Labels:
    if kind == "ner":
        return Labels("mner", tuple(golden["config"]["labels"][1:10]))
    return Labels("mre", tuple(f"r{i}" for i in range(golden["config"]["classes"])))


def _stock_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of BERT by their usual names."""
    prefixes = {"model.text_embeddings.": "embeddings.", "model.encoder.text_layer.": "encoder.layer."}
    return {
        new + name.removeprefix(old): weight
        for name, weight in weights.items()
        for old, new in prefixes.items()
        if name.startswith(old) and "fusion_dense" not in name
    }


def load_vision(vision: VisionLayers, weights: Mapping[str, Tensor]) -> None:
    """Load CLIP's layers and both tables of positions."""
    assign(vision.class_embedding, weights["model.vision_embeddings.class_embedding"])
    tables = [weights[f"model.vision_embeddings.{name}_position_embedding.weight"] for name in ("aux", "rcnn")]
    assign(vision.positions.weight, torch.cat(tables))
    load_module(vision.norm, dict(weights), "model.vision_pre_layrnorm.")
    load_module(vision.layers, dict(weights), "model.encoder.vision_layers.")


def batch_of(golden: Golden, kind: Kind) -> tuple[TextBatch, Tensor, Tensor]:
    """Draw the inputs: wordpieces, crops of 128 and of 64 pixels; compare them with the file."""
    generator = torch.Generator().manual_seed(golden.seed)
    ids = torch.randint(10, 100, (2, 12), generator=generator)
    ids[:, 0], ids[0, 11], ids[1, 8], ids[1, 9:] = 1, 2, 2, 0
    mask = ids != 0
    large = torch.randn(2, 3, 3, 128, 128, generator=generator)
    small = torch.randn(2, 3, 3, 64, 64, generator=generator)
    large[1, 2], small[1, 1:] = 0, 0
    positions = torch.zeros(2, 4, dtype=torch.long)
    if kind == "re":
        positions = torch.tensor([[2, 4, 6, 8], [5, 7, 1, 3]])
        ids.scatter_(1, positions, torch.tensor([*golden["config"]["markers"].values()]).expand(2, -1))
    assert torch.equal(ids, golden.tensor(kind, "ids")), "the inputs of this file are drawn by another formula"
    checks = golden[kind]["checks"]
    assert abs(float(large.double().sum()) - checks["aux_sum"]) < 1e-3
    assert abs(float(small.double().sum()) - checks["rcnn_sum"]) < 1e-3
    assert_near(large.flatten()[:4], checks["aux_0"])
    text = texts_of(ids, mask, positions[:, 0], positions[:, 2])
    return (text if kind == "re" else replace(text, head_position=None, tail_position=None)), large, small


def capture(layers: nn.ModuleList) -> list[Tensor]:
    """The outputs of these layers, filled by the next forward pass."""
    outputs: list[Tensor] = []
    for layer in layers:
        layer.register_forward_hook(lambda module, inputs, output: outputs.append(output.detach()))
    return outputs


def check_states(golden: Golden, kind: Kind, system: System, num_vision: int) -> None:
    """Compare the states of all text layers and of the vision layers that run, and of both inputs."""
    expected, mask = golden[kind]["states"], system.text.mask
    texts, images = capture(system.encoder.model.encoder.layer), capture(system.fusion.vision.layers)
    system.fused()
    tokens, exists = system.fusion.vision.tokens(system.visual())
    assert exists.all() and tokens.shape[1] == 61
    assert_near(tokens[:, SHOWN, :6], expected["vision_in"], STATES)
    embedded = system.encoder.model.embeddings(system.text.features["input_ids"])
    assert_near(embedded[..., :6][mask], torch.tensor(expected["text_in"])[mask], STATES)
    assert len(texts) == len(expected["text"]) and len(images) == num_vision
    for number, states in enumerate(texts):
        assert_near(states[..., :6][mask], torch.tensor(expected["text"][number])[mask], STATES)
    for number, states in enumerate(images):
        assert_near(states[:, SHOWN, :6], expected["vision"][number], STATES)
        assert_near(states.norm(), expected["vision_norms"][number], 1e-3)


def check_scores(golden: Golden, kind: Kind, system: System, *keys: str) -> Tensor:
    """Compare emissions or logits, loss and decoding with the numbers under these keys; return the loss."""
    expected = golden[kind]
    for key in keys:
        expected = expected[key]
    scores, mask = system.scores(), system.text.mask
    if kind == "ner":
        assert_near(scores[mask], torch.tensor(expected["emissions"])[mask], STATES)
        gold = golden.tensor(kind, "labels")
        loss = -system.head.crf(scores, gold, mask, reduction="mean")
        paths = system.head.crf.decode(scores, mask)
        assert [len(path) for path in paths] == [*TEXT_ROWS]
        assert paths == [row[: len(path)] for row, path in zip(expected["paths"], paths, strict=True)]
        assert_near(system.head.loss(scores, system.text, {"tags": gold}), expected["loss"], LOSSES)
    else:
        assert_near(scores, expected["logits"], STATES)
        loss = system.head.loss(scores, system.text, {"relation": golden.tensor(kind, "labels")})
        if "predicted" in expected:
            assert scores.argmax(-1).tolist() == expected["predicted"]
    assert_near(loss, expected["loss"], LOSSES)
    return loss


def check_gradients(golden: Golden, kind: Kind, system: System, loss: Tensor, ours: Mapping[str, nn.Parameter]) -> None:
    """Compare the norms of all gradients with the file.

    Args:
        ours: Further parameters by the authors' names.
    """
    expected = golden[kind]["grad_norms"]
    parameters = dict(ours)
    parameters["model.vision_embeddings.patch_embedding.weight"] = system.backbone.embedding.weight
    parameters["model.vision_embeddings.class_embedding"] = system.fusion.vision.class_embedding
    modules = {
        "model.vision_pre_layrnorm.": system.fusion.vision.norm,
        "model.encoder.vision_layers.": system.fusion.vision.layers,
        "model.text_embeddings.": system.encoder.model.embeddings,
        "model.encoder.text_layer.": system.encoder.model.encoder.layer,
        "classifier." if kind == "re" else "fc.": system.head.linear,
    }
    if kind == "ner":
        modules["crf."] = system.head.crf
    for prefix, module in modules.items():
        parameters |= {f"{prefix}{name}": parameter for name, parameter in module.named_parameters()}
    parameters = {name: parameter for name, parameter in parameters.items() if parameter.requires_grad}
    norms = gradient_norms(loss, parameters)
    skipped = {"model.text_embeddings.word_embeddings.weight"}  # the image sees padding; its row is not trained here
    for name, norm in norms.items():
        if name not in skipped:
            assert norm is not None and expected[name] is not None, name
            assert norm == pytest.approx(expected[name], abs=1e-4, rel=1e-3), name
    unused = {name for name, norm in expected.items() if norm is not None} - norms.keys()
    tables = {f"model.vision_embeddings.{name}_position_embedding.weight" for name in ("aux", "rcnn")}
    assert unused == tables
    (gradient,) = torch.autograd.grad(loss, system.fusion.vision.positions.weight, retain_graph=True)
    for name, rows in zip(("aux", "rcnn"), (gradient[:48], gradient[48:]), strict=True):
        wanted = expected[f"model.vision_embeddings.{name}_position_embedding.weight"]
        assert float(rows.norm()) == pytest.approx(wanted, abs=1e-4, rel=1e-3)
