"""Of many boxes the best few stay: clipped, large enough, and none twice, whatever the phrase."""

from __future__ import annotations

import numpy as np
import pytest

from hvpkit.config.recipe import ObjectsSpec
from hvpkit.detection.nms import select_boxes
from hvpkit.types import Box, VisualObject


def settings(**changes):
    return ObjectsSpec.model_validate({"detector": "saliency", "min_size": 4, **changes})


def item(*edges, score=0.5, phrase=None):
    return VisualObject(box=Box(*edges), score=score, phrase=phrase)


def iou(a, b):
    width, height = min(a.right, b.right) - max(a.left, b.left), min(a.bottom, b.bottom) - max(a.top, b.top)
    shared = max(width, 0) * max(height, 0)
    return shared / ((a.right - a.left) * (a.bottom - a.top) + (b.right - b.left) * (b.bottom - b.top) - shared)


def test_suppression_across_phrases_is_that_of_a_plain_loop():
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 60, (60, 2))
    boxes = [
        item(x, y, x + 30, y + 25, score=float(rng.random()), phrase=str(i % 3)) for i, (x, y) in enumerate(corners)
    ]
    expected = []
    for candidate in sorted(boxes, key=lambda box: -box.score):
        if all(iou(candidate.box, kept.box) <= 0.4 for kept in expected):
            expected.append(candidate)
    found = select_boxes(boxes, (100, 100), settings(nms_iou=0.4, max_objects=100))
    assert [box.score for box in found] == [box.score for box in expected]


def test_the_best_come_first_from_the_threshold_on():
    boxes = [
        item(0, 0, 9, 9, score=0.2),
        item(20, 0, 29, 9, score=0.9),
        item(40, 0, 49, 9, score=0.3),
        item(60, 0, 69, 9, score=0.5),
    ]
    assert [box.score for box in select_boxes(boxes, (99, 99), settings(threshold=0.3, max_objects=2))] == [0.9, 0.5]
    assert [box.score for box in select_boxes(boxes, (99, 99), settings(threshold=0.3))] == [0.9, 0.5, 0.3]


def test_boxes_are_clipped_and_small_or_broken_ones_dropped():
    boxes = [
        item(-9, 5, 50, 200),
        item(1, 1, 4, 50),
        item(120, 5, 150, 50),
        item(0, 0, float("nan"), 9),
        item(5, 5, 2, 9),
    ]
    [kept] = select_boxes(boxes, (100, 80), settings())
    assert kept.box == Box(0, 5, 50, 80)


def test_objects_without_a_score_are_certain_and_crop_files_stay(tmp_path):
    boxes = [item(0, 0, 9, 9, score=0.8), item(20, 0, 29, 9, score=None), VisualObject(tmp_path / "a.png")]
    assert [box.score for box in select_boxes(boxes, (99, 99), settings(threshold=0.5))] == [None, None, 0.8]


@pytest.mark.parametrize(
    "wrong", [{"threshold": 1.5}, {"max_objects": 0}, {"nms_iou": -1}, {"min_size": 0}, {"phrases": "rules"}]
)
def test_settings_are_checked(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        settings(**wrong)
