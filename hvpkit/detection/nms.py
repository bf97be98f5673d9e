"""Select detected boxes: clip, filter by score and size, non-maximum suppression, keep the best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, replace

import torch
from torchvision.ops import nms

from hvpkit.config.recipe import ObjectsSpec
from hvpkit.types import Box, VisualObject


def select_boxes(
    detections: Sequence[VisualObject], size: tuple[int, int], settings: ObjectsSpec
) -> tuple[VisualObject, ...]:
    """Select the best detections of an image.

    Non-maximum suppression is across phrases: of two boxes whose IoU is above `settings.nms_iou`, the better one is
    kept. Crop files without a box are never suppressed.

    Args:
        detections: Detected objects; an object without a score counts as score 1.
        size: Width and height of the image in pixels.
        settings: Threshold, minimum side length, IoU and maximum number of objects.

    Returns:
        The selected objects, best first.
    """
    clipped = [kept for item in detections if (kept := _clip(item, size, settings.min_size)) is not None]
    confident = [item for item in clipped if item.score is None or item.score >= settings.threshold]
    ranked = sorted(confident, key=lambda item: -_score(item))
    return tuple(_suppress(ranked, settings.nms_iou)[: settings.max_objects])


def _clip(item: VisualObject, size: tuple[int, int], min_size: int) -> VisualObject | None:
    """Clip a box to the image; return None for an invalid or too small one."""
    if item.box is None:
        return item
    edges = astuple(item.box)
    if not all(map(math.isfinite, edges)) or (item.score is not None and not math.isfinite(item.score)):
        return None
    left, top, right, bottom = (
        min(max(edge, 0.0), float(side)) for edge, side in zip(edges, (*size, *size), strict=True)
    )
    if right - left < max(min_size, 1) or bottom - top < max(min_size, 1):
        return None
    return replace(item, box=Box(*(round(edge, 2) for edge in (left, top, right, bottom))))


def _score(item: VisualObject) -> float:
    return 1.0 if item.score is None else item.score


def _suppress(ranked: Sequence[VisualObject], iou: float) -> list[VisualObject]:
    boxed = [i for i, item in enumerate(ranked) if item.box is not None]
    boxes = torch.tensor([astuple(item.box) for item in ranked if item.box is not None], dtype=torch.float32).reshape(
        -1, 4
    )
    ranks = torch.arange(len(boxed), 0, -1, dtype=torch.float32)  # instead of scores: equal scores keep their order
    kept = {boxed[i] for i in nms(boxes, ranks, iou).tolist()}
    return [item for i, item in enumerate(ranked) if item.box is None or i in kept]
