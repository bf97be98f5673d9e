"""What is asked becomes an example whose words know where they stand, or a clear refusal."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
from raising import raises

from hvpkit.errors import InputError
from hvpkit.inference.inputs import PredictionInput, parse_input
from hvpkit.types import Box, Span, VisualObject


@pytest.fixture
def recipe(tmp_path):
    """Return the tiny recipe of a task, with `images` or without, with overrides."""
    return lambda task="mner", images=True, *overrides: tiny.recipe(
        tmp_path, tmp_path / "data", task, images=images, overrides=overrides
    )


@pytest.fixture
def files(tmp_path) -> Path:
    """A folder with an image, a.png, and a crop, b.png."""
    tiny.draw(tmp_path / "files" / "b.png", 2, (8, 8))
    return tiny.draw(tmp_path / "files" / "a.png", 1, (40, 30)).parent


def test_what_a_record_says_becomes_the_example_and_its_issues_notes(recipe, tmp_path):
    record = {"tokens": ["#AdaLovelace", " ", "Paris"], "head": "Ada", "tail": [2, 3], "image": "../a.png"}
    parsed = parse_input(record, recipe("mre"), tmp_path, "line 7")
    assert (parsed.example.id, parsed.example.words) == ("line 7", ("#", "Ada", "Lovelace", "Paris"))
    assert (parsed.example.head, parsed.example.tail) == (Span(1, 2), Span(3, 4))
    assert parsed.text == "#AdaLovelace Paris"
    codes = ["blank-token", "mention-inside-word", "image-outside-folder", "image-not-given"]
    assert [note.code for note in parsed.notes] == codes


@pytest.mark.parametrize("given", ["Ada in Oslo", ["Ada", "in", "Oslo"], {"tokens": ["Ada", "in", "Oslo"]}])
def test_a_text_a_list_of_words_and_a_mapping_are_inputs(recipe, given):
    parsed = parse_input(given, recipe())
    assert (parsed.text, parsed.example.id, parsed.example.words) == ("Ada in Oslo", "1", ("Ada", "in", "Oslo"))


def test_positions_in_a_list_of_words_are_words_and_in_a_text_characters(recipe):
    words = parse_input(PredictionInput(["Ada", "in", "Oslo"], head=(0, 1), tail=(2, 3)), recipe("mre"))
    text = parse_input(PredictionInput("Ada in Oslo", head=(0, 3), tail=(7, 11)), recipe("mre"))
    assert (words.text, words.words, words.mentions) == (text.text, text.words, text.mentions)


@pytest.mark.parametrize("given", [5, None, b"Ada"])
def test_anything_else_is_refused(recipe, given):
    with raises(InputError, "input-invalid", found=given):
        parse_input(given, recipe())


# --------------------------------------------------------------------------------------------------------------- images
def test_images_reach_the_example(recipe, files):
    box, crop = VisualObject(box=Box(1, 2, 3, 4)), files / "b.png"
    reading = parse_input(PredictionInput("Ada", image=files / "a.png", objects=[str(crop), crop, box]), recipe())
    assert reading.example.image == files / "a.png"
    assert reading.example.objects == (VisualObject(crop), VisualObject(crop), box)
    [note] = reading.notes
    assert (note.code, note.fields) == ("too-many-objects", {"count": 3, "maximum": 2})


@pytest.mark.parametrize(
    ("settings", "given", "codes"),
    [
        ((True,), {"image": "a.png"}, []),
        ((True,), {}, ["image-not-given"]),
        ((True,), {"objects": ["a.png"]}, []),
        ((False,), {"image": "a.png"}, ["model-without-images"]),
        ((False,), {}, ["model-without-images"]),
        ((True, "data.text_only=true"), {"image": "a.png"}, ["model-without-images"]),
        ((True, "vision.full_image=false"), {"image": "a.png"}, ["no-objects-to-read"]),
        ((True, "vision.max_objects=0"), {"image": "a.png", "objects": ["a.png"]}, ["objects-not-read"]),
    ],
)
def test_notes_list_inputs_that_were_not_used(recipe, files, monkeypatch, settings, given, codes):
    monkeypatch.chdir(files)
    reading = parse_input(PredictionInput("Ada", **given), recipe("mner", *settings))
    assert [note.code for note in reading.notes] == codes
    if "model-without-images" in codes:
        assert reading.example.image is None


def test_objects_that_a_model_has_no_use_for_are_counted(recipe, files):
    [note] = parse_input(
        PredictionInput("Ada", image=files / "a.png", objects=[files / "b.png"]),
        recipe("mner", True, "vision.max_objects=0"),
    ).notes
    assert (note.code, note.fields) == ("objects-not-read", {"count": 1})


def test_a_crop_that_cannot_be_decoded_is_left_out_and_its_siblings_are_not(recipe, files):
    (files / "text.png").write_text("no image", encoding="utf-8")
    objects = ["b.png", "missing.png", "text.png", {"image": "text.png", "box": [1, 1, 9, 9]}]
    parsed = parse_input({"text": "Ada", "image": "a.png", "objects": objects}, recipe(), files)
    assert parsed.example.objects == (VisualObject(files / "b.png"), VisualObject(box=Box(1, 1, 9, 9)))
    assert [note.code for note in parsed.notes] == ["crop-missing", "crop-unreadable", "crop-unreadable"]


def test_a_model_without_images_opens_none(recipe, files):
    parsed = parse_input({"text": "Ada", "image": 7, "objects": [7, "missing.png"]}, recipe("mner", False), files)
    assert (parsed.example.image, parsed.example.objects) == (None, ())
    assert [note.code for note in parsed.notes] == ["model-without-images"]
