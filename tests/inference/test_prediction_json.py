"""JSON lines to inputs, and predictions to JSON values."""

from __future__ import annotations

import json
import os

import pytest
from raising import raises

from hvpkit.errors import DataError
from hvpkit.inference.prediction_json import RECORD_FORMAT, input_from_json, parse_json_object, prediction_to_json
from hvpkit.messages import Message
from hvpkit.types import Box, EntityPrediction, Relation, RelationPrediction, TextEntity, TextSpan, VisualObject


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


@pytest.mark.parametrize(
    ("content", "code", "fields"),
    [
        (b'{"text": ', "line-not-json", {"text": '{"text":'}),
        (b"\xff", "line-not-json", {"text": "\ufffd"}),
        (b"[" * 100_000, "line-not-json", {"text": "[" * 60}),
        (b"[1]", "record-not-object", {"found": "[1]"}),
        (b'"Ada"', "record-not-object", {"found": '"Ada"'}),
    ],
)
def test_a_line_that_is_no_object_is_refused(content, code, fields):
    with raises(DataError, code, expected=RECORD_FORMAT, **fields):
        parse_json_object(content)


def test_all_of_a_line_is_read(tmp_path):
    line = {
        "id": "a1",
        "text": "Ada in Oslo",
        "image": "images/a.jpg",
        "objects": [
            "b.jpg",
            {"box": [1, 2.5, 3, 4], "phrase": "Ada", "score": 0.5},
            {"image": "c.jpg", "box": [0, 0, 9, 9]},
        ],
        "head": {"text": "Ada", "start": 0, "end": 3},
        "tail": "Oslo",
        "relation": "None",
        "tags": ["O"],
        "created_at": "2017",
    }
    given = input_from_json(parse_json_object(json.dumps(line).encode()), tmp_path)
    assert (given.text, given.id, given.image, given.head, given.tail) == (
        "Ada in Oslo",
        "a1",
        tmp_path / "images/a.jpg",
        (0, 3),
        "Oslo",
    )
    assert given.objects == [
        VisualObject(tmp_path / "b.jpg"),
        VisualObject(box=Box(1, 2.5, 3, 4), phrase="Ada", score=0.5),
        VisualObject(tmp_path / "c.jpg", Box(0, 0, 9, 9)),
    ]
    assert given.notes == ()


def test_nothing_but_a_text_is_needed(tmp_path):
    given = input_from_json({"text": "", "image": None, "head": None, "objects": None}, tmp_path)
    assert (given.text, given.image, given.head, given.objects, given.id) == ("", None, None, None, None)


def test_places_in_tokens_are_counted_in_tokens(tmp_path):
    given = input_from_json(
        {"tokens": ["Ada", "loves ", "New York"], "head": {"start": 0, "end": 1}, "tail": [2, 3]}, tmp_path
    )
    assert (given.text, given.head, given.tail) == (["Ada", "loves ", "New York"], (0, 3), (10, 18))


def test_misspelled_key_is_noted(tmp_path):
    [note] = input_from_json({"text": "a", "imgae": "a.jpg"}, tmp_path).notes
    assert (note.code, note.fields) == ("key-misspelled", {"key": "imgae", "nearest": "image"})


@pytest.mark.parametrize(
    ("record", "code", "fields"),
    [
        ({}, "text-missing", {}),
        ({"words": ["a"]}, "record-of-prepared-data", {}),
        ({"text": "a", "tokens": ["a"]}, "tokens-and-text", {}),
        ({"text": 5}, "text-not-a-string", {"found": 5}),
        ({"tokens": "a b"}, "tokens-not-strings", {"found": "a b"}),
        ({"tokens": ["a", 1]}, "tokens-not-strings", {"found": ["a", 1]}),
        ({"text": "a", "head": 3}, "mention-record-invalid", {"role": "head", "unit": "characters", "found": 3}),
        ({"text": "a", "tail": {"start": 0}}, "mention-record-invalid", {"role": "tail", "found": {"start": 0}}),
        ({"text": "a", "tail": {"start": 0, "end": True}}, "mention-record-invalid", {"role": "tail"}),
        ({"tokens": ["a"], "tail": [0, 1.0]}, "mention-record-invalid", {"role": "tail", "unit": "tokens"}),
        (
            {"tokens": ["a"], "tail": [0, 2]},
            "mention-outside-tokens",
            {"role": "tail", "start": 0, "end": 2, "count": 1},
        ),
        (
            {"tokens": ["a", "b"], "head": [1, 1]},
            "mention-outside-tokens",
            {"role": "head", "start": 1, "end": 1, "count": 2},
        ),
        ({"tokens": ["a", ""], "head": [0, 1]}, "word-blank", {"number": 2, "count": 2}),
        ({"text": "a", "image": 1}, "image-not-file-name", {"key": "image", "found": 1}),
        ({"text": "a", "image": ""}, "image-not-file-name", {"key": "image", "found": ""}),
        ({"text": "a", "image": "a\x00b"}, "image-name-invalid", {"key": "image", "name": "a\x00b"}),
        ({"text": "a", "objects": "a.jpg"}, "objects-not-list", {"found": "a.jpg"}),
        ({"text": "a", "objects": [{"image": 7}]}, "image-not-file-name", {"key": "objects", "found": 7}),
        ({"text": "a", "objects": [{}]}, "object-record-invalid", {"found": {}}),
        ({"text": "a", "objects": [5]}, "object-record-invalid", {"found": 5}),
        ({"text": "a", "objects": [{"box": [0, 0, 1]}]}, "box-invalid", {"found": [0, 0, 1]}),
        ({"text": "a", "objects": [{"box": [2, 0, 1, 5]}]}, "box-invalid", {"found": [2, 0, 1, 5]}),
        ({"text": "a", "objects": [{"box": [0, 0, 1, "5"]}]}, "box-invalid", {"found": [0, 0, 1, "5"]}),
        ({"text": "a", "objects": [{"box": [0, 0, 1, float("nan")]}]}, "box-invalid", {}),
        ({"text": "a", "objects": [{"box": [0, 0, 1, 10**400]}]}, "box-invalid", {"found": [0, 0, 1, 10**400]}),
    ],
)
def test_values_of_another_kind_are_refused(record, code, fields, tmp_path):
    with raises(DataError, code, **fields):
        input_from_json(record, tmp_path)


@pytest.mark.parametrize("name", ["../a.jpg", "/etc/passwd", "in/../../a.jpg", "in/../a.jpg", "out/a.jpg", "link.jpg"])
@pytest.mark.parametrize("key", ["image", "objects"])
def test_images_never_leave_the_folder_of_the_input(key, name, tmp_path):
    folder = tmp_path / "data"
    (folder / "in").mkdir(parents=True)
    (tmp_path / "a.jpg").write_bytes(b"secret")
    os.symlink(tmp_path, folder / "out")
    os.symlink(tmp_path / "a.jpg", folder / "link.jpg")
    with raises(DataError, "image-outside-folder", image=name, folder=str(folder)):
        input_from_json({"text": "a", key: name if key == "image" else [name]}, folder)


def test_a_link_within_the_folder_may_be_followed(tmp_path):
    (tmp_path / "files").mkdir()
    os.symlink(tmp_path / "files", tmp_path / "images")
    assert input_from_json({"text": "a", "image": "images/a.jpg"}, tmp_path).image == tmp_path / "images/a.jpg"
