"""What is asked becomes an example whose words know where they stand, or a clear refusal."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
import tiny
from raising import raises

from hvpkit.errors import DataError, InputError
from hvpkit.inference.inputs import PredictionInput, parse_input, to_prediction_input
from hvpkit.messages import Message
from hvpkit.types import Box, Span, VisualObject

FAMILY = "👨\u200d👩\u200d👧"


@pytest.fixture
def recipe(tmp_path):
    """Return the tiny recipe of a task, with `images` or without, with overrides."""
    return lambda task="mner", images=True, *overrides: tiny.recipe(
        tmp_path, tmp_path / "data", task, images=images, overrides=overrides
    )


@pytest.mark.parametrize(
    "text", ["Ada in 東京, #ok", f"{FAMILY}Ada 🇩🇪!", "שלום, Ada עולם", "Zoe\u0301\n\tin\u3000Oslo "]
)
def test_words_stand_where_the_text_says(recipe, text):
    reading = parse_input(PredictionInput(text), recipe())
    assert reading.text == text
    assert tuple(text[word.start : word.end] for word in reading.words) == reading.example.words
    assert "".join(reading.example.words) == "".join(text.split())


def test_tokens_are_joined_by_blanks_and_blanks_around_them_dropped(recipe):
    reading = parse_input(PredictionInput(["Ada ", "in", "New York"]), recipe())
    assert (reading.text, reading.example.words) == ("Ada in New York", ("Ada", "in", "New York"))
    assert [(word.start, word.end) for word in reading.words] == [(0, 3), (4, 6), (7, 15)]


@pytest.mark.parametrize(
    ("text", "code", "fields"),
    [
        ("", "text-empty", {}),
        (" \n\u3000\t", "text-blank", {}),
        ("a\ud83d b", "lone-surrogate", {"character": "U+D83D", "before": "a"}),
        ([], "no-words", {}),
        (["a", " "], "word-blank", {"number": 2, "count": 2}),
        (["a", 1], "text-invalid", {"found": ["a", 1]}),
        (None, "text-invalid", {"found": None}),
    ],
)
def test_a_text_without_words_is_refused(recipe, text, code, fields):
    with raises(DataError, code, **fields):
        parse_input(PredictionInput(text), recipe())


def test_head_and_tail_become_whole_words(recipe):
    reading = parse_input(PredictionInput("#AdaLovelace's Paris", head="Ada", tail="Paris"), recipe("mre"))
    assert reading.example.words == ("#", "Ada", "Lovelace", "'s", "Paris")
    assert (reading.example.head, reading.example.tail) == (Span(1, 2), Span(4, 5))


@pytest.mark.parametrize(
    ("task", "given", "error", "code", "fields"),
    [
        ("mner", {"head": "Ada"}, InputError, "pair-unexpected", {}),
        ("mner", {"head": "Ada", "tail": "Oslo"}, InputError, "pair-unexpected", {}),
        ("mre", {}, InputError, "pair-missing", {}),
        ("mre", {"head": "Ada"}, InputError, "mention-missing", {"role": "tail"}),
        ("mre", {"tail": "Ada"}, InputError, "mention-missing", {"role": "head"}),
        ("mre", {"head": 3, "tail": "Ada"}, DataError, "mention-invalid", {"role": "head", "found": 3}),
        ("mre", {"head": "Oslo", "tail": (0, "3")}, DataError, "mention-invalid", {"role": "tail", "found": (0, "3")}),
        ("mre", {"head": "Bob", "tail": "Oslo"}, DataError, "mention-not-in-text", {"role": "head", "mention": "Bob"}),
    ],
)
def test_a_pair_belongs_to_relations_and_to_them_alone(recipe, task, given, error, code, fields):
    with raises(error, code, **fields):
        parse_input(PredictionInput("Ada in Oslo", **given), recipe(task))


# --------------------------------------------------------------------------------------------------------------- images
def test_images_reach_the_example(recipe):
    box = VisualObject(box=Box(1, 2, 3, 4))
    reading = parse_input(PredictionInput("Ada", image="a.jpg", objects=["b.jpg", Path("c.jpg"), box]), recipe())
    assert reading.example.image == Path("a.jpg")
    assert reading.example.objects == (VisualObject(Path("b.jpg")), VisualObject(Path("c.jpg")), box)
    [note] = reading.notes
    assert (note.code, note.fields) == ("too-many-objects", {"count": 3, "maximum": 2})


@pytest.mark.parametrize(
    ("settings", "given", "codes"),
    [
        ((True,), {"image": "a.jpg"}, []),
        ((True,), {}, ["image-not-given"]),
        ((True,), {"objects": ["a.jpg"]}, []),
        ((False,), {"image": "a.jpg"}, ["model-without-images"]),
        ((False,), {}, ["model-without-images"]),
        ((True, "data.text_only=true"), {"image": "a.jpg"}, ["model-without-images"]),
        ((True, "vision.full_image=false"), {"image": "a.jpg"}, ["no-objects-to-read"]),
        ((True, "vision.max_objects=0"), {"image": "a.jpg", "objects": ["a.jpg"]}, ["objects-not-read"]),
    ],
)
def test_notes_list_inputs_that_were_not_used(recipe, settings, given, codes):
    before = Message("custom", text="before")
    reading = parse_input(PredictionInput("Ada", **given, notes=(before,)), recipe("mner", *settings))
    assert reading.notes[0] is before
    assert [note.code for note in reading.notes[1:]] == codes
    if "model-without-images" in codes:
        assert reading.example.image is None


def test_objects_that_a_model_has_no_use_for_are_counted(recipe):
    [note] = parse_input(
        PredictionInput("Ada", image="a.jpg", objects=["a.jpg"]), recipe("mner", True, "vision.max_objects=0")
    ).notes
    assert (note.code, note.fields) == ("objects-not-read", {"count": 1})


@pytest.mark.parametrize(
    ("given", "code", "fields"),
    [
        ({"image": 7}, "image-invalid", {"found": 7}),
        ({"image": "a.jpg", "objects": [None]}, "object-invalid", {"found": None}),
        ({"image": "a.jpg", "objects": [{"box": (3, 0, 3, 4)}]}, "box-invalid", {"found": (3, 0, 3, 4)}),
        ({"image": "a.jpg", "objects": [{"box": (0, 4, 3, 4)}]}, "box-invalid", {"found": (0, 4, 3, 4)}),
        ({"image": "a.jpg", "objects": [{"boxes": []}]}, "object-record-invalid", {"found": {"boxes": []}}),
        ({"objects": [{"box": [0, 0, 3, 4]}]}, "box-without-image", {}),
        ({"objects": [VisualObject(box=Box(1, 2, 3, 4))]}, "box-without-image", {}),
        ({"image": "a.jpg", "objects": [VisualObject()]}, "box-without-image", {}),
    ],
)
def test_images_of_another_kind_are_refused(recipe, given, code, fields):
    with raises(DataError, code, **fields):
        parse_input(PredictionInput("Ada", **given), recipe())


def test_objects_are_mappings_too(recipe):
    given = [{"box": (0, 1, 2, 3), "phrase": "a cat", "score": 0.5}, {"image": "b.jpg"}]
    reading = parse_input(PredictionInput("Ada", "a.jpg", objects=given), recipe())
    assert reading.example.objects == (VisualObject(None, Box(0, 1, 2, 3), "a cat", 0.5), VisualObject(Path("b.jpg")))


@pytest.mark.parametrize(
    "box", [Box(0, 1, 2, 3), np.array([0, 1, 2, 3], np.float32), np.array([0, 1, 2, 3]), list(np.float32([0, 1, 2, 3]))]
)
def test_a_box_may_come_as_detectors_give_it(recipe, box):
    [found] = parse_input(PredictionInput("Ada", "a.jpg", objects=[{"box": box}]), recipe()).example.objects
    assert found.box == Box(0, 1, 2, 3)
    assert all(type(edge) in (int, float) for edge in astuple(found.box))


# ------------------------------------------------------------------------------------------------------------ other
# forms
def test_a_text_and_a_mapping_are_inputs_too():
    given = PredictionInput("Ada", image="a.jpg")
    assert to_prediction_input(given) is given
    assert to_prediction_input("Ada") == PredictionInput("Ada")
    assert to_prediction_input({"text": "Ada", "image": "a.jpg"}) == given


@pytest.mark.parametrize("given", [{"txt": "Ada"}, {"image": "a.jpg"}, 5, None])
def test_anything_else_is_refused_with_what_is_expected(given):
    with raises(InputError, "input-invalid", found=given) as error:
        to_prediction_input(given)
    assert error.value.fields["names"][:4] == ["text", "image", "head", "tail"]
