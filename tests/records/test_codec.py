"""Spans, boxes and objects survive the way to JSON and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from raising import raises

from hvpkit.errors import DataError
from hvpkit.records.codec import (
    box_from_json,
    box_to_json,
    example_to_json,
    object_from_json,
    object_to_json,
    span_from_json,
    span_to_json,
)
from hvpkit.records.issues import RecordError
from hvpkit.types import Box, Example, ImageBytes, Span, VisualObject


def through_json(value):
    return json.loads(json.dumps(value))


def test_spans_and_boxes_come_back():
    assert Span(*span_from_json(through_json(span_to_json(Span(2, 5))), "head")) == Span(2, 5)
    assert span_from_json({"start": 2, "end": 5, "text": "x"}, "head") == (2, 5)
    assert box_from_json(through_json(box_to_json(Box(0, 1.5, 2, 3)))) == Box(0, 1.5, 2, 3)
    assert box_to_json(None) is None


@pytest.mark.parametrize(
    "item",
    [
        VisualObject(box=Box(0, 1.5, 2, 3)),
        VisualObject(Path("a.png"), Box(0, 1, 2, 3), "the tower", 0.5),
        VisualObject(Path("a.png"), score=0.0),
    ],
)
def test_objects_come_back(item):
    record = through_json(object_to_json(item, None if item.image is None else item.image.name))
    assert object_from_json(record, None if "image" not in record else Path(record["image"])) == item
    assert None not in record.values()


def test_a_phrase_or_score_of_another_type_is_left_out():
    assert object_from_json({"box": [0, 0, 2, 2], "phrase": 5, "score": "1"}, None) == VisualObject(box=Box(0, 0, 2, 2))


@pytest.mark.parametrize(
    ("value", "code"),
    [([1], "span-missing"), ("01", "span-missing"), ({"start": 1}, "span-missing"), ([1, 2.0], "span-not-integers")],
)
def test_what_is_no_span_is_refused(value, code):
    with raises(RecordError, code, name="tail"):
        span_from_json(value, "tail")


def test_an_image_in_memory_cannot_be_written_to_prepared_data(tmp_path):
    with raises(DataError, "image-not-in-file", image="image in memory"):
        example_to_json(Example("1", ("a",), image=ImageBytes(b"x")), tmp_path)
