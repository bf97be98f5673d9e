"""The one reader of records: what it repairs, what it drops, and what it refuses."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
import tiny
from PIL import Image
from raising import raises

from hvpkit.errors import ImageError
from hvpkit.images.decode import open_image
from hvpkit.records.issues import RecordError
from hvpkit.records.parse import parse_record
from hvpkit.types import Box, ImageBytes, Span, TextSpan, VisualObject

FAMILY = "👨\u200d👩\u200d👧"


def parse(record, *, root=None, task=None, labeled=False):
    return parse_record(record, root=root, task=task, labeled=labeled)


def issues(parsed):
    return [(issue.code, issue.severity) for issue in parsed.issues]


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with an image of 40 x 30 pixels, a.png, and a crop, b.png."""
    tiny.draw(tmp_path / "data" / "b.png", 2, (8, 8))
    return tiny.draw(tmp_path / "data" / "a.png", 1, (40, 30)).parent


# ---------------------------------------------------------------------------------------------------------------- words
@pytest.mark.parametrize(
    "text", ["Ada in 東京, #ok", f"{FAMILY}Ada 🇩🇪!", "שלום, Ada עולם", "Zoe\u0301\n\tin\u3000Oslo "]
)
def test_words_stand_where_the_text_says(text):
    parsed = parse({"text": text})
    assert parsed.text == text
    assert tuple(text[word.start : word.end] for word in parsed.words) == parsed.example.words
    assert "".join(parsed.example.words) == "".join(text.split())
    assert issues(parsed) == []


def test_tokens_are_joined_by_blanks_and_blank_ones_dropped():
    parsed = parse({"tokens": ["Ada ", "\u00a0", "in", "New York"]})
    assert (parsed.text, parsed.example.words) == ("Ada in New York", ("Ada", "in", "New York"))
    assert [(word.start, word.end) for word in parsed.words] == [(0, 3), (4, 6), (7, 15)]
    assert issues(parsed) == [("blanks-removed", "repaired"), ("blank-token", "dropped")]


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ({}, "no-tokens-or-text"),
        ({"words": ["a"]}, "record-of-prepared-data"),
        ({"text": "a", "tokens": ["a"]}, "tokens-and-text"),
        ({"text": 5}, "text-not-a-string"),
        ({"text": ""}, "text-without-words"),
        ({"text": " \n\u3000\t"}, "text-without-words"),
        ({"text": "a\ud83d b"}, "lone-surrogate"),
        ({"tokens": ["a", "\ud83d"]}, "lone-surrogate"),
        ({"tokens": "a b"}, "tokens-not-strings"),
        ({"tokens": ["a", 1]}, "tokens-not-strings"),
        ({"tokens": []}, "no-words"),
        ({"tokens": [" "]}, "no-words"),
    ],
)
def test_a_record_without_words_is_refused(record, code):
    with raises(RecordError, code):
        parse(record)


def test_a_key_with_null_is_an_absent_key():
    nothing = dict.fromkeys(("tokens", "tags", "head", "tail", "relation", "image", "objects", "id", "likes"))
    parsed = parse({**nothing, "text": "Ada", "entities": [{"start": 0, "end": 3, "type": "PER"}]}, labeled=True)
    assert (parsed.example.tags, parsed.example.id, parsed.mentions, parsed.objects_given) == (
        ("B-PER",),
        "",
        None,
        False,
    )
    assert issues(parsed) == []


@pytest.mark.parametrize(
    ("given", "expected", "found"), [("a", "a", []), (7, "7", []), (1.5, "1.5", []), (True, "", ["id-invalid"])]
)
def test_an_id_is_a_string_or_a_number(given, expected, found):
    parsed = parse({"text": "Ada", "id": given})
    assert (parsed.example.id, [code for code, _ in issues(parsed)]) == (expected, found)


def test_labels_are_ignored_where_they_are_not_needed():
    parsed = parse({"text": "Ada", "tags": 5, "entities": "x", "relation": []})
    assert (parsed.example.tags, parsed.example.relation, issues(parsed)) == (None, None, [])


# ------------------------------------------------------------------------------------------------------------- entities
def test_an_entity_that_is_listed_twice_is_used_once():
    entities = [{"start": start, "end": end, "type": "LOC"} for start, end in ((4, 8), (4, 8), (12, 16))]
    parsed = parse({"text": "pro Oslo ad Rome", "entities": entities}, labeled=True)
    assert parsed.example.tags == ("O", "B-LOC", "O", "B-LOC")
    [issue] = parsed.issues
    assert (issue.code, issue.severity) == ("entity-repeated", "dropped")
    assert issue.fields == {"number": 2, "text": "Oslo", "type": "LOC"}


def test_an_entity_of_another_type_at_the_same_place_refuses_the_record():
    entities = [{"start": 0, "end": 3, "type": kind} for kind in ("PER", "LOC")]
    with raises(RecordError, "entities-overlap", number=2, text="Ada"):
        parse({"text": "Ada", "entities": entities}, labeled=True)


def test_composed_letters_of_an_entity_are_those_of_its_text():
    entity = {"start": 0, "end": 4, "type": "PER", "text": "Zoë"}
    assert parse({"text": "Zoe\u0308", "entities": [entity]}, labeled=True).example.tags == ("B-PER",)


# ---------------------------------------------------------------------------------------------------------------- pairs
@pytest.mark.parametrize("head", [{"start": 11, "end": 15}, [11, 15], (11, 15), "Oslo", "11:15"])
@pytest.mark.parametrize("labeled", [True, False])
def test_a_word_is_cut_at_a_mention_in_it(head, labeled):
    record = {"text": "Ada loves #OsloFjord days", "head": head, "tail": "Ada", "relation": "in"}
    parsed = parse(record, labeled=labeled, task="mre")
    assert parsed.example.words == ("Ada", "loves", "#", "Oslo", "Fjord", "days")
    assert (parsed.example.head, parsed.example.tail) == (Span(3, 4), Span(0, 1))
    assert parsed.mentions.head == TextSpan("Oslo", 11, 15)
    assert issues(parsed) == [("mention-inside-word", "repaired")]
    assert parsed.issues[0].fields == {"role": "head", "mention": "Oslo", "start": 11, "end": 15, "word": "OsloFjord"}


def test_the_parts_of_a_cut_word_stay_in_its_entity():
    record = {
        "tokens": ["in", "OsloFjord", "days"],
        "tags": ["O", "B-LOC", "O"],
        "head": "Oslo",
        "tail": "days",
        "relation": "x",
    }
    parsed = parse(record, labeled=True)
    assert parsed.example.words == ("in", "Oslo", "Fjord", "days")
    assert parsed.example.tags == ("O", "B-LOC", "I-LOC", "O")


def test_spans_of_tokens_are_counted_in_tokens_and_move_with_blank_ones():
    parsed = parse({"tokens": ["Ada", " ", "loves ", "New York"], "head": {"start": 0, "end": 2}, "tail": [3, 4]})
    assert (parsed.mentions.head, parsed.mentions.tail) == (TextSpan("Ada", 0, 3), TextSpan("New York", 10, 18))
    assert (parsed.example.head, parsed.example.tail) == (Span(0, 1), Span(2, 3))


def test_a_pair_that_overlaps_is_kept_and_told():
    parsed = parse({"text": "GQ japan lol", "head": [0, 8], "tail": [3, 8]})
    assert (parsed.example.head, parsed.example.tail) == (Span(0, 2), Span(1, 2))
    assert issues(parsed) == [("head-tail-overlap", "repaired")]


@pytest.mark.parametrize(
    ("task", "record", "code", "fields"),
    [
        ("mner", {"head": "Ada"}, "pair-unexpected", {}),
        ("mner", {"head": "Ada", "tail": "Oslo"}, "pair-unexpected", {}),
        ("mre", {}, "pair-missing", {}),
        ("mre", {"head": "Ada"}, "mention-missing", {"role": "tail"}),
        ("mre", {"tail": "Ada", "head": None}, "mention-missing", {"role": "head"}),
        ("mre", {"head": 3, "tail": "Ada"}, "span-missing", {"name": "head", "found": 3}),
        ("mre", {"head": "Oslo", "tail": {"start": 0}}, "span-missing", {"name": "tail"}),
        ("mre", {"head": "Oslo", "tail": (0, "3")}, "span-not-integers", {"name": "tail", "end": "3"}),
        ("mre", {"head": "Oslo", "tail": [0, True]}, "span-not-integers", {"name": "tail"}),
        ("mre", {"head": "Oslo", "tail": [0, 99]}, "span-outside", {"name": "tail", "length": 11}),
        (
            "mre",
            {"head": {"start": 0, "end": 3, "text": "Bob"}, "tail": "Oslo"},
            "span-text-mismatch",
            {"found": "Ada"},
        ),
        ("mre", {"head": "Bob", "tail": "Oslo"}, "mention-not-in-text", {"role": "head", "mention": "Bob"}),
    ],
)
def test_a_pair_belongs_to_relations_and_to_them_alone(task, record, code, fields):
    with raises(RecordError, code, **fields):
        parse({"text": "Ada in Oslo", **record}, task=task)


# --------------------------------------------------------------------------------------------------------------- images
@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", None),
        (None, None),
        (5, "image-not-file-name"),
        (["a.png"], "image-not-file-name"),
        ("../a.png", "image-outside-folder"),
        ("/etc/passwd", "image-outside-folder"),
        ("in/../../a.png", "image-outside-folder"),
        ("out/a.png", "image-outside-folder"),
        ("link.png", "image-outside-folder"),
        ("a\x00b", "image-name-invalid"),
    ],
)
def test_an_image_that_a_file_may_not_name_is_dropped(folder, name, code):
    os.symlink(folder.parent, folder / "out")
    os.symlink(tiny.draw(folder.parent / "a.png"), folder / "link.png")
    parsed = parse(
        {"text": "Ada", "image": name, "objects": ["b.png", {"image": name, "box": [1, 2, 9, 9]}]}, root=folder
    )
    assert parsed.example.image is None
    assert parsed.example.objects == (VisualObject(folder / "b.png"),)
    of_image = [] if code is None else [(code, "dropped")]
    assert issues(parsed) == [*of_image, *of_image, ("box-without-image", "dropped")]


@pytest.mark.parametrize("name", ["a.png", "./a.png", "in/../a.png", "images/a.png"])
def test_an_image_in_the_folder_is_found_through_links_too(folder, name):
    (folder / "in").mkdir()
    os.symlink(folder, folder / "images")
    parsed = parse({"text": "Ada", "image": name}, root=folder)
    assert parsed.example.image.samefile(folder / "a.png")
    assert issues(parsed) == []


def test_a_program_gives_images_as_it_has_them(folder):
    file = folder / "a.png"
    opened = Image.open(file)
    for image in (file, str(file), file.read_bytes(), opened, ImageBytes(file.read_bytes())):
        parsed = parse(
            {"text": "Ada", "image": image, "objects": [image, {"image": image}, VisualObject(box=Box(1, 1, 9, 9))]}
        )
        assert issues(parsed) == []
        for source in (parsed.example.image, parsed.example.objects[0].image, parsed.example.objects[1].image):
            assert open_image(source).tobytes() == opened.convert("RGB").tobytes()


def test_an_opened_image_of_many_records_is_the_same_image(folder):
    opened = Image.open(folder / "a.png")
    first, second = (parse({"text": "Ada", "image": opened}).example.image for _ in range(2))
    assert (first, hash(first)) == (second, hash(second))
    assert "content" not in repr(first)


def test_a_program_that_gives_no_image_is_told_so():
    with raises(RecordError, "image-invalid", found=7):
        parse({"text": "Ada", "image": 7})
    with raises(ImageError, "pil-image-size", width=0, height=0):
        parse({"text": "Ada", "image": Image.new("RGB", (0, 0))})


# -------------------------------------------------------------------------------------------------------------- objects
@pytest.mark.parametrize(
    ("item", "code"),
    [
        (7, "object-record-invalid"),
        (None, "object-record-invalid"),
        ([0, 0, 4, 4], "object-record-invalid"),
        ({}, "object-record-invalid"),
        ("", "object-record-invalid"),
        ({"image": None, "box": None}, "object-record-invalid"),
        ({"image": 7}, "image-not-file-name"),
        ({"box": [0, 0, 4]}, "box-invalid"),
        ({"box": [4, 0, 4, 4]}, "box-invalid"),
        ({"box": [0, 4, 4, 4]}, "box-invalid"),
        ({"box": [0, 0, "4", 4]}, "box-invalid"),
        ({"box": [0, 0, True, 4]}, "box-invalid"),
        ({"box": [0, 0, float("nan"), 4]}, "box-invalid"),
        ({"box": [0, 0, float("inf"), 4]}, "box-invalid"),
        ({"box": [0, 0, 10**400, 4]}, "box-invalid"),
        ({"box": [0.1, 0.2, 0.6, 0.9]}, "box-relative"),
        ({"box": [0, 0, 1, 1]}, "box-relative"),
        ({"box": [40, 0, 50, 9]}, "box-outside"),
        ({"box": [-9, 0, 0, 9]}, "box-outside"),
        ({"image": "../b.png"}, "image-outside-folder"),
    ],
)
def test_a_bad_object_is_dropped_and_its_siblings_are_not(folder, item, code):
    record = {"text": "Ada", "image": "a.png", "objects": [{"box": [0, 0, 9, 9]}, item, "b.png"]}
    parsed = parse(record, root=folder)
    assert parsed.example.objects == (VisualObject(box=Box(0, 0, 9, 9)), VisualObject(folder / "b.png"))
    assert (issues(parsed), parsed.objects_given) == ([(code, "dropped")], True)


def test_a_box_that_sticks_out_is_clipped(folder):
    boxes = [{"box": [-8, 2, 50, 31]}, {"box": [0, -0.5, 20, 30.25]}]
    parsed = parse({"text": "Ada", "image": "a.png", "objects": boxes}, root=folder)
    assert [item.box for item in parsed.example.objects] == [Box(0, 2, 40, 30), Box(0, 0, 20, 30)]
    [issue] = parsed.issues  # a fraction of a pixel is not worth a note
    assert (issue.code, issue.severity) == ("box-clipped", "repaired")
    assert issue.fields == {"box": (-8, 2, 50, 31), "width": 40, "height": 30}


def test_a_box_of_one_pixel_in_an_image_of_one_pixel_is_no_fraction(tmp_path):
    tiny.draw(tmp_path / "dot.png", 0, (2, 2))
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    parsed = parse({"text": "Ada", "image": "dot.png", "objects": [{"box": [0, 0, 1, 1]}]}, root=tmp_path)
    assert (parsed.example.objects, issues(parsed)) == ((VisualObject(box=Box(0, 0, 1, 1)),), [])


def test_a_box_of_an_image_that_cannot_be_opened_is_left_to_its_reader(folder):
    (folder / "text.png").write_text("no image", encoding="utf-8")
    for name in ("text.png", "missing.png"):
        parsed = parse({"text": "Ada", "image": name, "objects": [{"box": [0, 0, 1, 1]}]}, root=folder)
        assert (len(parsed.example.objects), issues(parsed)) == (1, [])


def test_objects_are_sorted_by_score_where_every_one_has_one(folder):
    scored = [{"image": "b.png", "score": score} for score in (0.2, 0.9, 0.5)]
    scores = [item.score for item in parse({"text": "Ada", "objects": scored}, root=folder).example.objects]
    assert scores == [0.9, 0.5, 0.2]
    some = [{"image": "b.png", "score": 0.2}, {"image": "b.png", "score": 10**400}, {"image": "b.png", "score": 0.9}]
    scores = [item.score for item in parse({"text": "Ada", "objects": some}, root=folder).example.objects]
    assert scores == [0.2, None, 0.9]


@pytest.mark.parametrize(("objects", "given"), [(None, False), ([], True), ("a.png", False), ({"box": []}, False)])
def test_whether_objects_are_given_is_told(objects, given):
    parsed = parse({"text": "Ada", "objects": objects})
    assert (parsed.objects_given, parsed.example.objects) == (given, ())
    assert issues(parsed) == ([] if given or objects is None else [("objects-not-list", "dropped")])


@pytest.mark.parametrize(
    "box", [Box(0, 1, 2, 3), np.array([0, 1, 2, 3], np.float32), np.array([0, 1, 2, 3]), list(np.float32([0, 1, 2, 3]))]
)
def test_a_box_may_come_as_detectors_give_it(folder, box):
    stream = io.BytesIO((folder / "a.png").read_bytes())
    parsed = parse(
        {"text": "Ada", "image": stream.getvalue(), "objects": [{"box": box, "phrase": "a cat", "score": 0.5}]}
    )
    assert parsed.example.objects == (VisualObject(None, Box(0, 1, 2, 3), "a cat", 0.5),)
