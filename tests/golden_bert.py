"""BERT of the golden values of AdapCoAtt-BERT-CRF, UMT and UMGF: a network and a batch without a tokenizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from golden import Golden, load_module
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import BertConfig, BertModel

from hvpkit.interfaces import (
    EncodedText,
    FusionContext,
    ImageBatch,
    LevelInfo,
    Prefix,
    TextBatch,
    TextEncoder,
    TextStates,
    Trace,
    Visual,
    VisualBackbone,
)
from hvpkit.types import Example, Labels

LENGTHS = (12, 9, 5)
LABELS = Labels("mner", ("O", *(f"{letter}-{name}" for name in ("MISC", "PER", "ORG", "LOC") for letter in "BI")))


class GoldenBert(TextEncoder):
    """BERT that reads wordpiece ids."""

    def __init__(self, model: BertModel) -> None:
        super().__init__()
        self.model, self.width = model, model.config.hidden_size
        self.num_attention_heads = model.config.num_attention_heads

    def encode(self, example: Example, max_length: int) -> EncodedText:
        raise NotImplementedError

    def forward(self, text: TextBatch, prefix: Prefix | None = None, trace: Trace | None = None) -> TextStates:
        return TextStates(self.model(text.features["input_ids"], text.mask.long()).last_hidden_state)

    def save(self, folder: Path) -> None:
        raise NotImplementedError


def golden_bert(golden: Golden, weights: Mapping[str, Tensor], layers: int) -> GoldenBert:
    """Build BERT with the weights that begin with "bert."."""
    config = golden["config"]
    sizes: dict[str, Any] = {
        "vocab_size": config["vocab"],
        "hidden_size": config["hidden"],
        "num_hidden_layers": layers,
        "intermediate_size": config["intermediate"],
        "max_position_embeddings": config["positions"],
        "type_vocab_size": config["types"],
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
    }
    heads = config.get("bert_heads") or config["heads"]
    has_pooler = any(name.startswith("bert.pooler.") for name in weights)
    model = BertModel(BertConfig(num_attention_heads=heads, **sizes), add_pooling_layer=has_pooler)
    load_module(model, weights, "bert.")
    return GoldenBert(model).eval()


def wordpieces_and_regions(golden: Golden) -> tuple[TextBatch, Tensor]:
    """Draw the inputs: wordpieces, and image regions [3, R, C]; compare them with the ids of the file."""
    config = golden["config"]
    side = int(config["regions"] ** 0.5)
    text, regions = wordpieces_and_images(golden, (config["channels"], side, side))
    return text, regions.flatten(2).transpose(1, 2)


def wordpieces_and_images(golden: Golden, shape: Sequence[int]) -> tuple[TextBatch, Tensor]:
    """Draw the inputs: wordpieces, and image features of this shape per text; compare them with the ids of the file."""
    generator, config = torch.Generator().manual_seed(golden.seed), golden["config"]
    ids = torch.randint(5, config["vocab"], (len(LENGTHS), max(LENGTHS)), generator=generator)
    features = torch.randn(len(LENGTHS), *shape, generator=generator)
    for row, length in enumerate(LENGTHS):
        ids[row, 0], ids[row, length - 1], ids[row, length:] = 2, 3, 0
    assert torch.equal(ids, golden.tensor("ids")), "the inputs of this file are drawn by another formula"
    starts = [torch.tensor(row) for row in golden["derived_word_level"]["word_starts"]]
    words = pad_sequence(starts, batch_first=True, padding_value=-1)
    mask = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]
    assert torch.equal(mask, golden.tensor("mask").bool())
    text = TextBatch({"input_ids": ids}, mask, words.clamp(min=0), words >= 0, torch.full_like(ids, -1))
    return text, features


def visual_of(regions: Tensor) -> Visual:
    """One image per example whose cells are these regions [B, R, C]."""
    levels = regions.transpose(1, 2)  # [B, C, R]
    exists = torch.ones(len(regions), 1, dtype=torch.bool)
    images = ImageBatch(exists, torch.zeros(len(regions), 1, 4), features=(levels,))
    return Visual((levels[:, None],), images)


def fusion_context(encoder: TextEncoder, channels: int, cells: int) -> FusionContext:
    """Context of a fusion over one image of one level."""

    class Backbone(VisualBackbone):
        levels = (LevelInfo(channels, 32),)

        def transform(self, image: Any) -> Tensor:
            raise NotImplementedError

        def forward(self, pixels: Tensor) -> list[Tensor]:
            raise NotImplementedError

    def no_part(*parts: object) -> None:
        raise NotImplementedError

    return FusionContext(LABELS, encoder, Backbone(), cells, True, 0, no_part)
