"""Scores for tensors that are at hand already, as the released models take them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hvpkit.errors import DataError
from hvpkit.interfaces import Batch, ImageBatch, TextBatch
from hvpkit.model.heads.classifiers import EntityStartHead
from hvpkit.model.heads.wordpiece_crf import WordpieceCrfHead
from hvpkit.model.model import Model
from hvpkit.model.text.hugging_face import HuggingFaceEncoder


@dataclass(frozen=True)
class ReleaseOutput:
    """What a released model says: emissions [B, T, 13] or logits [B, classes], the loss if labels were given, the best tags (MNER)."""

    scores: Tensor
    loss: Tensor | None
    paths: list[list[int]] | None


def forward(model: Model, input_ids: Tensor, mask: Tensor, whole: Tensor, crops: Tensor, labels: Tensor | None = None) -> ReleaseOutput:
    """Score ids [B, T] and their mask [B, T] with whole images [B, 3, side, side] and crops [B, m, 3, side, side], normalised.

    `labels` are tag ids [B, T] (PAD 0) or classes [B]. Entities stand at their start markers among the ids (MRE). The model is one
    that `hvp import-release` or a release recipe made. Raises DataError when a row lacks a marker, ValueError for another model.
    """
    pixels = torch.cat([whole[:, None], crops], dim=1)  # [B, V, 3, side, side]
    seen = torch.ones(pixels.shape[:2], dtype=torch.bool, device=pixels.device)
    images = ImageBatch(seen, torch.zeros(*seen.shape, 4, device=pixels.device), pixels=pixels.flatten(0, 1))
    text = _text(model, input_ids, mask.bool())
    target = "tags" if isinstance(model.head, WordpieceCrfHead) else "relation"
    output = model(Batch(text, images, targets={} if labels is None else {target: labels}))
    paths = model.head.viterbi_paths(output.scores, text) if isinstance(model.head, WordpieceCrfHead) else None
    return ReleaseOutput(output.scores, output.loss, paths)


def _text(model: Model, ids: Tensor, mask: Tensor) -> TextBatch:
    """Make a batch in which each position is a word: the released models know no others."""
    if not isinstance(model.text, HuggingFaceEncoder) or not isinstance(model.head, (WordpieceCrfHead, EntityStartHead)):
        raise ValueError("the model is not of the release's kind: import a checkpoint, or train a release recipe")
    places = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
    markers = model.text.marker_ids()
    head, tail = (None, None) if markers is None else (_where(ids, markers[number], role) for number, role in ((0, "head"), (2, "tail")))
    return TextBatch({"input_ids": ids}, mask, places, mask, places, head, tail)


def _where(ids: Tensor, marker: int, role: str) -> Tensor:
    found = ids == marker
    if not found.any(1).all():
        row = int((~found.any(1)).nonzero()[0])
        raise DataError("no-start-marker", row=row, role=role, id=marker)
    return found.int().argmax(1)
