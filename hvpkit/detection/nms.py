"""Which of the proposed boxes are kept: clipped to the image, scored high, large enough, not twice, the best few."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, replace

import torch
from torchvision.ops import nms

from hvpkit.config.recipe import ObjectsSpec
from hvpkit.types import Box, VisualObject


def select_boxes(found: Sequence[VisualObject], size: tuple[int, int], settings: ObjectsSpec) -> tuple[VisualObject, ...]:
    """Choose from the proposals of an image of `size` pixels (width, height), best first; objects without a score are certain.

    Suppression is across phrases: of two boxes that overlap by more than `settings.overlap` (IoU) the better one stays. Crop files
    without a box are kept as they come.
    """
    clipped = [kept for item in found if (kept := _clipped(item, size, settings.min_size)) is not None]
    sound = [item for item in clipped if item.score is None or item.score >= settings.threshold]
    ranked = sorted(sound, key=lambda item: -_certainty(item))
    return tuple(_distinct(ranked, settings.nms_iou)[: settings.max_objects])


def _clipped(item: VisualObject, size: tuple[int, int], smallest: int) -> VisualObject | None:
    if item.box is None:
        return item
    edges = astuple(item.box)
    if not all(map(math.isfinite, edges)) or (item.score is not None and not math.isfinite(item.score)):
        return None
    left, top, right, bottom = (min(max(edge, 0.0), float(side)) for edge, side in zip(edges, (*size, *size), strict=True))
    if right - left < max(smallest, 1) or bottom - top < max(smallest, 1):
        return None
    return replace(item, box=Box(*(round(edge, 2) for edge in (left, top, right, bottom))))


def _certainty(item: VisualObject) -> float:
    return 1.0 if item.score is None else item.score


def _distinct(ranked: Sequence[VisualObject], overlap: float) -> list[VisualObject]:
    boxed = [i for i, item in enumerate(ranked) if item.box is not None]
    boxes = torch.tensor([astuple(item.box) for item in ranked if item.box is not None], dtype=torch.float32).reshape(-1, 4)
    order = torch.arange(len(boxed), 0, -1, dtype=torch.float32)  # ranks, so that equal scores keep their order
    kept = {boxed[i] for i in nms(boxes, order, overlap).tolist()}
    return [item for i, item in enumerate(ranked) if item.box is None or i in kept]
