"""Predictions as JSON values."""

from __future__ import annotations

from pathlib import Path

from hvpkit.inference.prediction_json import prediction_to_json
from hvpkit.messages import Message
from hvpkit.types import (
    Box,
    EntityPrediction,
    ImageBytes,
    Relation,
    RelationPrediction,
    TextEntity,
    TextSpan,
    VisualObject,
)


def test_entities_are_written_as_in_own_data():
    found = EntityPrediction("Ada 😂", (TextEntity("Ada", "PER", 0, 3, 0.5),), True, (Message("custom", text="note"),))
    assert prediction_to_json(found) == {
        "text": "Ada 😂",
        "entities": [{"text": "Ada", "type": "PER", "start": 0, "end": 3, "confidence": 0.5}],
        "image_used": True,
        "notes": ["note"],
    }


def test_a_relation_is_written_as_in_own_data():
    found = RelationPrediction(
        "A B", TextSpan("A", 0, 1), TextSpan("B", 2, 3), Relation("x", 0.7, (("x", 0.7), ("None", 0.3))), False
    )
    assert prediction_to_json(found) == {
        "text": "A B",
        "head": {"text": "A", "start": 0, "end": 1},
        "tail": {"text": "B", "start": 2, "end": 3},
        "relation": "x",
        "confidence": 0.7,
        "probabilities": {"x": 0.7, "None": 0.3},
        "image_used": False,
        "notes": [],
    }


def test_objects_are_written_with_the_names_of_their_files():
    objects = (VisualObject(Path("in/b.jpg"), Box(0, 0, 9, 9), "Ada", 0.5), VisualObject(ImageBytes(b"x"), score=0.1))
    assert prediction_to_json(EntityPrediction("Ada", (), True, objects=objects))["objects"] == [
        {"image": "b.jpg", "box": [0, 0, 9, 9], "phrase": "Ada", "score": 0.5},
        {"score": 0.1},
    ]
