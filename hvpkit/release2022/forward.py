"""Forward pass on tensors in the input format of the released models."""

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
    """Output of a released model.

    Attributes:
        scores: Emissions [B, T, 13] (MNER) or logits [B, classes] (MRE).
        loss: Scalar loss; None without labels.
        paths: Viterbi paths of tag ids (MNER); None for MRE.
    """

    scores: Tensor
    loss: Tensor | None
    paths: list[list[int]] | None


def forward(
    model: Model, input_ids: Tensor, mask: Tensor, whole: Tensor, crops: Tensor, labels: Tensor | None = None
) -> ReleaseOutput:
    """Compute scores, loss and Viterbi paths of a batch.

    Args:
        model: Model of `hvp import-release` or of a release recipe.
        input_ids: Wordpiece ids [B, T]; for MRE with the start markers of both entities.
        mask: Attention mask [B, T].
        whole: Full images [B, 3, side, side], normalized.
        crops: Object crops [B, m, 3, side, side], normalized.
        labels: Tag ids [B, T] (PAD is 0) or classes [B].

    Raises:
        DataError: "no-start-marker" if a row lacks a marker.
        ValueError: If the model is not one of the release.
    """
    pixels = torch.cat([whole[:, None], crops], dim=1)  # [B, V, 3, side, side]
    image_mask = torch.ones(pixels.shape[:2], dtype=torch.bool, device=pixels.device)
    images = ImageBatch(
        image_mask, torch.zeros(*image_mask.shape, 4, device=pixels.device), pixels=pixels.flatten(0, 1)
    )
    text = _text(model, input_ids, mask.bool())
    target = "tags" if isinstance(model.head, WordpieceCrfHead) else "relation"
    output = model(Batch(text, images, targets={} if labels is None else {target: labels}))
    paths = model.head.viterbi_paths(output.scores, text) if isinstance(model.head, WordpieceCrfHead) else None
    return ReleaseOutput(output.scores, output.loss, paths)


def _text(model: Model, ids: Tensor, mask: Tensor) -> TextBatch:
    """Build a batch in which each position counts as a word, as in the released models."""
    if not isinstance(model.text, HuggingFaceEncoder) or not isinstance(
        model.head, (WordpieceCrfHead, EntityStartHead)
    ):
        raise ValueError("the model is not one of the release: import a checkpoint, or train a release recipe")
    positions = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
    markers = model.text.marker_ids()
    head, tail = (
        (None, None)
        if markers is None
        else (_marker_positions(ids, markers[index], role) for index, role in ((0, "head"), (2, "tail")))
    )
    return TextBatch({"input_ids": ids}, mask, positions, mask, positions, head, tail)


def _marker_positions(ids: Tensor, marker: int, role: str) -> Tensor:
    is_marker = ids == marker
    if not is_marker.any(1).all():
        row = int((~is_marker.any(1)).nonzero()[0])
        raise DataError("no-start-marker", row=row, role=role, id=marker)
    return is_marker.int().argmax(1)
