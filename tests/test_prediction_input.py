"""What is asked becomes an example whose words know where they stand, or a clear refusal."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
import tiny

from hvpkit.errors import DataError, InputError
from hvpkit.prediction_input import PredictionInput, as_input, read_input
from hvpkit.types import Box, Span, VisualObject

ALONE = ": the text was read alone"
FAMILY = "👨\u200d👩\u200d👧"


@pytest.fixture
def recipe(tmp_path):
    """Give the tiny recipe of a task; with `pictures` or without, with overrides."""
    return lambda task="mner", pictures=True, *overrides: tiny.recipe(
        tmp_path, tmp_path / "data", task, pictures=pictures, overrides=overrides
    )


@pytest.mark.parametrize("text", ["Ada in 東京, #ok", f"{FAMILY}Ada 🇩🇪!", "שלום, Ada עולם", "Zoe\u0301\n\tin\u3000Oslo "])
def test_words_stand_where_the_text_says(recipe, text):
    reading = read_input(PredictionInput(text), recipe())
    assert reading.text == text
    assert tuple(text[word.start : word.end] for word in reading.words) == reading.example.words
    assert "".join(reading.example.words) == "".join(text.split())


def test_tokens_are_joined_by_blanks_and_blanks_around_them_dropped(recipe):
    reading = read_input(PredictionInput(["Ada ", "in", "New York"]), recipe())
    assert (reading.text, reading.example.words) == ("Ada in New York", ("Ada", "in", "New York"))
    assert [(word.start, word.end) for word in reading.words] == [(0, 3), (4, 6), (7, 15)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the text is empty"),
        (" \n\u3000\t", "the text is blank"),
        ("a\ud83d b", r"character 1 of the text, '\\ud83d', is half of one"),
        ([], "there are no words"),
        (["a", " "], "word 2 of 2 is blank"),
        (["a", 1], r"expected a text, or a list of its words, got \['a', 1\]"),
        (None, "expected a text, or a list of its words, got None"),
    ],
)
def test_a_text_without_words_is_refused(recipe, text, message):
    with pytest.raises(DataError, match=message):
        read_input(PredictionInput(text), recipe())


def test_head_and_tail_become_whole_words(recipe):
    reading = read_input(PredictionInput("#AdaLovelace's Paris", head="Ada", tail="Paris"), recipe("mre"))
    assert reading.example.words == ("#", "Ada", "Lovelace", "'s", "Paris")
    assert (reading.example.head, reading.example.tail) == (Span(1, 2), Span(4, 5))


@pytest.mark.parametrize(
    ("task", "given", "message"),
    [
        ("mner", {"head": "Ada"}, r"this model finds entities \(mner\) and takes no head or tail"),
        ("mner", {"head": "Ada", "tail": "Oslo"}, "takes no head or tail"),
        ("mre", {}, r"the relation between a head and a tail \(mre\), and there is no head and no tail"),
        ("mre", {"head": "Ada"}, "there is no tail$"),
        ("mre", {"tail": "Ada"}, "there is no head$"),
        ("mre", {"head": 3, "tail": "Ada"}, "expected head as words of the text or as two numbers of characters, start and end; got 3"),
        ("mre", {"head": "Oslo", "tail": (0, "3")}, "expected tail as words"),
        ("mre", {"head": "Bob", "tail": "Oslo"}, "head 'Bob' is not in the text"),
    ],
)
def test_a_pair_belongs_to_relations_and_to_them_alone(recipe, task, given, message):
    with pytest.raises(InputError, match=message):
        read_input(PredictionInput("Ada in Oslo", **given), recipe(task))


# --------------------------------------------------------------------------------------------------------------- pictures
def test_pictures_reach_the_example(recipe):
    box = VisualObject(box=Box(1, 2, 3, 4))
    reading = read_input(PredictionInput("Ada", image="a.jpg", objects=["b.jpg", Path("c.jpg"), box]), recipe())
    assert reading.example.image == Path("a.jpg")
    assert reading.example.objects == (VisualObject(Path("b.jpg")), VisualObject(Path("c.jpg")), box)
    assert reading.remarks == ("3 objects were given, this model looks at 2 of them",)


@pytest.mark.parametrize(
    ("settings", "given", "remarks"),
    [
        ((True,), {"image": "a.jpg"}, ()),
        ((True,), {}, (f"no picture was given{ALONE}",)),
        ((True,), {"objects": ["a.jpg"]}, ()),
        ((False,), {"image": "a.jpg"}, ("this model uses no pictures",)),
        ((False,), {}, ("this model uses no pictures",)),
        ((True, "data.text_only=true"), {"image": "a.jpg"}, ("this model uses no pictures",)),
        ((True, "vision.whole=false"), {"image": "a.jpg"}, (f"this model looks at objects of a picture only, and none were given{ALONE}",)),
        ((True, "vision.objects=0"), {"image": "a.jpg", "objects": ["a.jpg"]}, ("1 objects were given, this model looks at none of them",)),
    ],
)  # fmt: skip
def test_remarks_say_what_was_not_looked_at(recipe, settings, given, remarks):
    reading = read_input(PredictionInput("Ada", **given, remarks=("before",)), recipe("mner", *settings))
    assert reading.remarks == ("before", *remarks)
    if "this model uses no pictures" in remarks:
        assert reading.example.image is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"image": 7}, "expected image as a file or an opened picture; got 7"),
        ({"image": "a.jpg", "objects": [None]}, "expected an object as a file or an opened picture, or its box as .*; got None"),
        ({"image": "a.jpg", "objects": [{"box": (3, 0, 3, 4)}]}, "expected a box as .* with x0 < x1 and y0 < y1, got .3, 0, 3, 4."),
        ({"image": "a.jpg", "objects": [{"box": (0, 4, 3, 4)}]}, "with x0 < x1 and y0 < y1, got .0, 4, 3, 4."),
        ({"image": "a.jpg", "objects": [{"boxes": []}]}, "expected an object as a file name or"),
        ({"objects": [{"box": [0, 0, 3, 4]}]}, "there is no picture to cut it from"),
        ({"objects": [VisualObject(box=Box(1, 2, 3, 4))]}, "there is no picture to cut it from"),
        ({"image": "a.jpg", "objects": [VisualObject()]}, "an object is a crop of its own, or a box"),
    ],
)
def test_pictures_of_another_kind_are_refused(recipe, given, message):
    with pytest.raises(DataError, match=message):
        read_input(PredictionInput("Ada", **given), recipe())


def test_objects_are_mappings_too(recipe):
    given = [{"box": (0, 1, 2, 3), "phrase": "a cat", "score": 0.5}, {"image": "b.jpg"}]
    reading = read_input(PredictionInput("Ada", "a.jpg", objects=given), recipe())
    assert reading.example.objects == (VisualObject(None, Box(0, 1, 2, 3), "a cat", 0.5), VisualObject(Path("b.jpg")))


@pytest.mark.parametrize(
    "box", [Box(0, 1, 2, 3), np.array([0, 1, 2, 3], np.float32), np.array([0, 1, 2, 3]), list(np.float32([0, 1, 2, 3]))]
)
def test_a_box_may_come_as_detectors_give_it(recipe, box):
    [found] = read_input(PredictionInput("Ada", "a.jpg", objects=[{"box": box}]), recipe()).example.objects
    assert found.box == Box(0, 1, 2, 3)
    assert all(type(edge) in (int, float) for edge in astuple(found.box))


# ------------------------------------------------------------------------------------------------------------ other forms
def test_a_text_and_a_mapping_are_inputs_too():
    given = PredictionInput("Ada", image="a.jpg")
    assert as_input(given) is given
    assert as_input("Ada") == PredictionInput("Ada")
    assert as_input({"text": "Ada", "image": "a.jpg"}) == given


@pytest.mark.parametrize("given", [{"txt": "Ada"}, {"image": "a.jpg"}, 5, None])
def test_anything_else_is_refused_with_what_is_expected(given):
    with pytest.raises(InputError, match="expected a text or a mapping with the fields text, image, head, tail"):
        as_input(given)
