"""JSON lines to inputs, and predictions to JSON values."""

from __future__ import annotations

import json
import os

import pytest

from hvpkit.errors import DataError
from hvpkit.prediction_records import input_from, prediction_record, read_object
from hvpkit.types import Box, EntityPrediction, Relation, RelationPrediction, TextEntity, TextSpan, VisualObject


def test_entities_are_written_as_in_own_data():
    found = EntityPrediction("Ada 😂", (TextEntity("Ada", "PER", 0, 3, 0.5),), True, ("note",))
    assert prediction_record(found) == {
        "text": "Ada 😂",
        "entities": [{"text": "Ada", "type": "PER", "start": 0, "end": 3, "confidence": 0.5}],
        "picture": True,
        "remarks": ["note"],
    }


def test_a_relation_is_written_as_in_own_data():
    found = RelationPrediction("A B", TextSpan("A", 0, 1), TextSpan("B", 2, 3), Relation("x", 0.7, (("x", 0.7), ("None", 0.3))), False)
    assert prediction_record(found) == {
        "text": "A B",
        "head": {"text": "A", "start": 0, "end": 1},
        "tail": {"text": "B", "start": 2, "end": 3},
        "relation": "x",
        "confidence": 0.7,
        "probabilities": {"x": 0.7, "None": 0.3},
        "picture": False,
        "remarks": [],
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"text": ', "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[1]", r"expected an object .*, got '\[1\]'"),
        (b'"Ada"', "expected an object"),
    ],
)
def test_a_line_that_is_no_object_is_refused(content, message):
    with pytest.raises(DataError, match=message):
        read_object(content)


def test_all_of_a_line_is_read(tmp_path):
    line = {
        "id": "a1",
        "text": "Ada in Oslo",
        "image": "pictures/a.jpg",
        "objects": ["b.jpg", {"box": [1, 2.5, 3, 4], "phrase": "Ada", "score": 0.5}, {"image": "c.jpg", "box": [0, 0, 9, 9]}],
        "head": {"text": "Ada", "start": 0, "end": 3},
        "tail": "Oslo",
        "relation": "None",
        "tags": ["O"],
        "created_at": "2017",
    }
    given = input_from(read_object(json.dumps(line).encode()), tmp_path)
    assert (given.text, given.id, given.image, given.head, given.tail) == ("Ada in Oslo", "a1", tmp_path / "pictures/a.jpg", (0, 3), "Oslo")
    assert given.objects == [
        VisualObject(tmp_path / "b.jpg"),
        VisualObject(box=Box(1, 2.5, 3, 4), phrase="Ada", score=0.5),
        VisualObject(tmp_path / "c.jpg", Box(0, 0, 9, 9)),
    ]
    assert given.remarks == ()


def test_nothing_but_a_text_is_needed(tmp_path):
    given = input_from({"text": "", "image": None, "head": None, "objects": None}, tmp_path)
    assert (given.text, given.image, given.head, given.objects, given.id) == ("", None, None, None, None)


def test_places_in_tokens_are_counted_in_tokens(tmp_path):
    given = input_from({"tokens": ["Ada", "loves ", "New York"], "head": {"start": 0, "end": 1}, "tail": [2, 3]}, tmp_path)
    assert (given.text, given.head, given.tail) == (["Ada", "loves ", "New York"], (0, 3), (10, 18))


def test_a_misspelt_key_is_remarked(tmp_path):
    assert input_from({"text": "a", "imgae": "a.jpg"}, tmp_path).remarks == ("the key 'imgae' was not read; did you mean 'image'?",)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({}, 'expected either "text" or "tokens", got neither'),
        ({"text": "a", "tokens": ["a"]}, "got both"),
        ({"text": 5}, "expected text as a string, got 5"),
        ({"tokens": "a b"}, "expected tokens as a list of strings, got 'a b'"),
        ({"tokens": ["a", 1]}, "expected tokens as a list of strings"),
        ({"text": "a", "head": 3}, r'expected head as a string or as {"start", "end"} in characters, got 3'),
        ({"text": "a", "tail": {"start": 0}}, "expected tail as a string"),
        ({"text": "a", "tail": {"start": 0, "end": True}}, "expected tail as a string"),
        ({"tokens": ["a"], "tail": [0, 1.0]}, "in tokens, got"),
        ({"tokens": ["a"], "tail": [0, 2]}, r"tail is \[0, 2\): expected 0 <= start < end <= 1, the number of tokens"),
        ({"tokens": ["a", "b"], "head": [1, 1]}, "expected 0 <= start < end"),
        ({"tokens": ["a", ""], "head": [0, 1]}, "word 2 of 2 is blank"),
        ({"text": "a", "image": 1}, "expected image as a file name, got 1"),
        ({"text": "a", "image": ""}, "expected image as a file name"),
        ({"text": "a", "image": "a\x00b"}, "is no file name"),
        ({"text": "a", "objects": "a.jpg"}, "expected objects as a list"),
        ({"text": "a", "objects": [{}]}, "expected an object as a file name or"),
        ({"text": "a", "objects": [5]}, "expected an object as a file name or"),
        ({"text": "a", "objects": [{"box": [0, 0, 1]}]}, r"expected a box as \[x0, y0, x1, y1\] with x0 < x1 and y0 < y1, got \[0, 0, 1\]"),
        ({"text": "a", "objects": [{"box": [2, 0, 1, 5]}]}, "expected a box"),
        ({"text": "a", "objects": [{"box": [0, 0, 1, "5"]}]}, "expected a box"),
        ({"text": "a", "objects": [{"box": [0, 0, 1, float("nan")]}]}, "expected a box"),
        ({"text": "a", "objects": [{"box": [0, 0, 1, 10**400]}]}, "expected a box"),
    ],
)
def test_values_of_another_kind_are_refused(record, message, tmp_path):
    with pytest.raises(DataError, match=message):
        input_from(record, tmp_path)


@pytest.mark.parametrize("name", ["../a.jpg", "/etc/passwd", "in/../../a.jpg", "in/../a.jpg", "out/a.jpg", "link.jpg"])
@pytest.mark.parametrize("key", ["image", "objects"])
def test_pictures_never_leave_the_folder_of_the_input(key, name, tmp_path):
    folder = tmp_path / "data"
    (folder / "in").mkdir(parents=True)
    (tmp_path / "a.jpg").write_bytes(b"secret")
    os.symlink(tmp_path, folder / "out")
    os.symlink(tmp_path / "a.jpg", folder / "link.jpg")
    with pytest.raises(DataError, match=f"leaves the input's folder, {folder}: name files there"):
        input_from({"text": "a", key: name if key == "image" else [name]}, folder)


def test_a_link_within_the_folder_may_be_followed(tmp_path):
    (tmp_path / "pictures").mkdir()
    os.symlink(tmp_path / "pictures", tmp_path / "images")
    assert input_from({"text": "a", "image": "images/a.jpg"}, tmp_path).image == tmp_path / "images/a.jpg"
