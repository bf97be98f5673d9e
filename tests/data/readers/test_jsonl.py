"""A user's own JSON lines: words or characters, entities or pairs, images beside the data."""

from __future__ import annotations

import json
import tracemalloc

import pytest
import tiny
from fabricate import context, draw, kinds, some, write, write_lines
from raising import raises

from hvpkit.data.readers.jsonl import read_jsonl
from hvpkit.data.readers.split_files import dataset_name
from hvpkit.errors import DataError, did_you_mean
from hvpkit.messages import Message
from hvpkit.records.json_lines import RECORD_FORMAT
from hvpkit.records.keys import KEYS
from hvpkit.types import Box, Span, VisualObject

MNER = {"id": "1", "tokens": ["Ann", "sings"], "tags": ["B-PER", "O"]}
MRE = {
    "id": "1",
    "tokens": ["Ann", "of", "Rome"],
    "head": {"start": 0, "end": 1},
    "tail": {"start": 2, "end": 3},
    "relation": "lives in",
}
TEXT = "Ann Lee's in New York"


def read(tmp_path, *records, **options):
    ask = context(write_lines(tmp_path / "mine" / "train.jsonl", records), tmp_path, **options)
    return read_jsonl(ask), ask.issues


def first(dataset):
    return next(iter(dataset.splits["train"]))


def examples(tmp_path, *records):
    dataset, _ = read(tmp_path, *records)
    return list(dataset.splits["train"])


def entity(start, end, kind="PER", **more):
    return {"start": start, "end": end, "type": kind, **more}


# -----------------------------------------------------------------------------------------------------------------
# sentences
def test_tokens_with_tags(tmp_path):
    dataset, problems = read(tmp_path, MNER, {**MNER, "id": 2, "tags": ["O", "B-animal"]})
    [first, second] = dataset.splits["train"]
    assert (first.id, first.words, first.tags) == ("1", ("Ann", "sings"), ("B-PER", "O"))
    assert (second.id, second.tags) == ("2", ("O", "B-animal"))
    assert dataset.labels.names == ("O", "B-PER", "I-PER", "B-animal", "I-animal")
    assert problems.issues() == []


def test_text_with_entities_in_characters(tmp_path):
    record = {"text": TEXT, "entities": [entity(0, 7, text="Ann Lee"), entity(13, 21, "LOC")]}
    [example] = examples(tmp_path, record)
    assert example.words == ("Ann", "Lee", "'s", "in", "New", "York")
    assert example.tags == ("B-PER", "I-PER", "O", "O", "B-LOC", "I-LOC")


def test_a_text_without_entities_is_all_outside(tmp_path):
    first, second = examples(tmp_path, {"text": "Ann", "entities": [entity(0, 3)]}, {"text": "no one", "entities": []})
    assert second.tags == ("O", "O")


def test_emoji_count_as_code_points(tmp_path):
    [example] = examples(tmp_path, {"text": "👍🏽 Ann", "entities": [entity(3, 6, text="Ann")]})
    assert example.tags == ("O", "B-PER")


def test_an_entity_inside_a_word_takes_the_whole_word(tmp_path):
    dataset, problems = read(tmp_path, {"text": "pro-Trump talk", "entities": [entity(4, 9)]})
    assert first(dataset).tags == ("B-PER", "O")
    [problem] = problems.issues()
    assert (problem.code, problem.skipped) == ("span-inside-word", False)
    assert problem.messages[0].fields == {"name": "entity 1", "text": "Trump", "widened": "pro-Trump"}


def test_blanks_at_an_entitys_ends_do_not_matter(tmp_path):
    dataset, problems = read(tmp_path, {"text": "so Ann sings", "entities": [entity(2, 7)]})
    assert first(dataset).tags == ("O", "B-PER", "O")
    assert problems.issues() == []


def test_pairs_in_words(tmp_path):
    dataset, problems = read(tmp_path, MRE, {**MRE, "id": "2", "relation": "None"})
    first, second = dataset.splits["train"]
    assert (first.head, first.tail, first.relation) == (Span(0, 1), Span(2, 3), "lives in")
    assert second.relation == "None"
    assert dataset.labels.names == ("None", "lives in")
    assert problems.issues() == []


def test_pairs_in_characters(tmp_path):
    record = {"text": TEXT, "head": {"start": 0, "end": 7}, "tail": {"start": 13, "end": 21}, "relation": "in"}
    [example] = examples(tmp_path, record)
    assert (example.head, example.tail) == (Span(0, 2), Span(4, 6))


def test_a_pair_keeps_the_entities_it_comes_with(tmp_path):
    [example] = examples(tmp_path, {**MRE, "tags": ["B-PER", "O", "B-LOC"]})
    assert example.tags == ("B-PER", "O", "B-LOC")


def test_illegal_tags_are_repaired_and_words_of_blanks_dropped_with_their_tags(tmp_path):
    dataset, problems = read(tmp_path, {"tokens": ["New", " ", "York", "x "], "tags": ["I-LOC", "O", "I-LOC", "I-PER"]})
    assert (first(dataset).words, first(dataset).tags) == (("New", "York", "x"), ("B-LOC", "I-LOC", "B-PER"))
    assert kinds(problems) == {"blank-token": 1, "blanks-removed": 1, "tag-repaired": 2}


def test_missing_ids_are_made_and_repeated_ones_made_unique(tmp_path):
    nameless = {key: value for key, value in MNER.items() if key != "id"}
    dataset, problems = read(tmp_path, {**MNER, "id": "1#2"}, MNER, nameless, MNER, MNER, {**MNER, "id": "1#2"})
    assert [example.id for example in dataset.splits["train"]] == ["1#2", "1", "train-3", "1#3", "1#4", "1#2#2"]
    assert kinds(problems) == {"id-repeated": 3}


@pytest.mark.parametrize(
    ("record", "code", "fields"),
    [
        (
            {"token": ["x"], "tags": ["O"]},
            "no-tokens-or-text",
            {
                "found": Message(
                    "record-keys-unknown", keys=["token", "tags"], key="token", hint=did_you_mean("token", KEYS)
                )
            },
        ),
        ({}, "no-tokens-or-text", {"found": Message("record-empty")}),
        ({**MNER, "text": "Ann sings"}, "tokens-and-text", {}),
        ({"tokens": ["x"]}, "no-labels", {"found": Message("record-keys", keys=["tokens"])}),
        ({"tokens": [], "tags": []}, "no-words", {}),
        ({"text": " \n", "entities": []}, "text-without-words", {"text": " \n"}),
        ({"text": 7, "entities": []}, "text-not-a-string", {"found": 7}),
        ({**MNER, "tags": ["O"]}, "tag-count-mismatch", {"expected": 2, "found": 1}),
        ({**MNER, "tags": "O O"}, "tags-not-list", {"expected": 2, "found": "O O"}),
        ({**MNER, "tags": ["X-PER", "O"]}, "tag-not-bio", {"tag": "X-PER"}),
        ({**MNER, "tags": [None, "O"]}, "tag-not-bio", {"tag": "None"}),
        ({"text": "Ann", "tags": ["O"]}, "tags-without-tokens", {}),
        ({"tokens": ["Ann"], "entities": []}, "entities-without-text", {}),
        ({"text": "Ann", "entities": {"start": 0}}, "entities-not-list", {"found": {"start": 0}}),
        ({"text": "Ann", "entities": [[0, 3, "PER"]]}, "span-missing", {"name": "entity 1", "found": [0, 3, "PER"]}),
        ({"text": "Ann", "entities": [[0, 3]]}, "entity-type-missing", {"number": 1, "type": None}),
        ({"words": ["Ann"], "tags": ["O"]}, "record-of-prepared-data", {}),
        (
            {"text": "Ann", "entities": [entity(0, 4)]},
            "span-outside",
            {"start": 0, "end": 4, "length": 3, "unit": "characters"},
        ),
        ({"text": "Ann", "entities": [entity(3, 3)]}, "span-empty", {"name": "entity 1", "start": 3, "end": 3}),
        ({"text": "a   b", "entities": [entity(2, 3)]}, "span-blank", {"name": "entity 1", "start": 2, "end": 3}),
        (
            {"text": "Ann", "entities": [entity("0", 3)]},
            "span-not-integers",
            {"name": "entity 1", "start": "0", "end": 3},
        ),
        ({"text": "Ann", "entities": [entity(0, 3, None)]}, "entity-type-missing", {"number": 1, "type": None}),
        ({"text": "Ann", "entities": [entity(0, 3, " ")]}, "entity-type-missing", {"number": 1, "type": " "}),
        (
            {"text": "é Ann", "entities": [entity(3, 5, text="Ann")]},
            "span-text-mismatch",
            {"expected": "Ann", "found": "nn"},
        ),
        (
            {"text": "Ann Lee", "entities": [entity(0, 7), entity(4, 7)]},
            "entities-overlap",
            {"number": 2, "text": "Lee"},
        ),
        (MRE, "record-of-other-task", {"expected": "entities"}),
        (["Ann"], "record-not-object", {"expected": RECORD_FORMAT, "found": '["Ann"]'}),
        ({"text": "Ann \ud83d", "entities": []}, "lone-surrogate", {"character": "U+D83D", "before": '{"text": "Ann '}),
        (
            {"tokens": ["Ann", "\ude00"], "tags": ["O", "O"]},
            "lone-surrogate",
            {"character": "U+DE00", "before": '{"tokens": ["Ann", "'},
        ),
    ],
)
def test_a_bad_record_is_left_out_and_placed(tmp_path, record, code, fields):
    dataset, problems = read(tmp_path, MNER, record, {**MNER, "id": "3"})
    assert [example.id for example in dataset.splits["train"]] == ["1", "3"]
    [problem] = problems.issues()
    assert (problem.code, problem.skipped, problem.count) == (code, True, 1)
    assert problem.places == [f"{tmp_path / 'mine' / 'train.jsonl'}:2: {problem.messages[0]}"]
    assert some(problem.messages[0], fields) == fields


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"relation": None}, "relation-missing"),
        ({"relation": " "}, "relation-missing"),
        ({"head": None}, "mention-missing"),
        ({"head": None, "tail": None}, "pair-missing"),
        ({"head": 3}, "span-missing"),
        ({"head": {"start": 0, "end": True}}, "span-not-integers"),
        ({"head": "Bob"}, "mention-not-in-text"),
        ({"tail": {"start": 2}}, "span-missing"),
        ({"tail": {"start": 2, "end": 4}}, "span-outside"),
        ({"head": {"start": 1, "end": 1}}, "span-empty"),
    ],
)
def test_a_bad_pair_is_left_out(tmp_path, change, code):
    _, problems = read(tmp_path, MRE, {**MRE, **change})
    assert kinds(problems) == {code: 1}


def test_what_is_not_json_is_left_out(tmp_path):
    write(tmp_path / "mine.jsonl", f"{json.dumps(MNER)}\n{MNER!r}\n\n{json.dumps(MNER)[:-9]}")
    ask = context(tmp_path / "mine.jsonl", tmp_path)
    assert len(read_jsonl(ask).splits["train"]) == 1
    assert kinds(ask.issues) == {"line-not-json": 1, "file-truncated": 1}


def test_a_line_that_is_not_utf8_is_left_out(tmp_path):
    line = json.dumps(MNER).encode()
    write(tmp_path / "mine.jsonl", line + b"\n" + line.replace(b"Ann", b"\xc4nn") + b"\n")
    ask = context(tmp_path / "mine.jsonl", tmp_path)
    assert len(read_jsonl(ask).splits["train"]) == 1
    [problem] = ask.issues.issues()
    assert (problem.code, problem.skipped, problem.messages[0].fields) == (
        "line-not-utf8",
        True,
        {"byte": line.index(b"Ann") + 1},
    )
    assert problem.places == [f"{tmp_path / 'mine.jsonl'}:2: {problem.messages[0]}"]


def test_lines_are_streamed(tmp_path):
    """What is remembered of a line, its id, is far less than the example in it.

    A sound id used twice gets the same name each time.
    """

    def peak(count):
        dataset, _ = read(
            tmp_path,
            *({"text": "Ann sings " * 200, "entities": [{"start": 0, "end": 3, "type": "PER"}]} for _ in range(count)),
        )
        tracemalloc.start()
        assert sum(1 for _ in dataset.splits["train"]) == len(dataset.splits["train"]) == count
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert (peak(400) - peak(100)) / 300 < 500  # bytes of a line; one example alone takes more than 3,000


def test_a_later_reading_knows_what_the_first_found_out(tmp_path):
    write_lines(tmp_path / "mine" / "train.jsonl", [MNER, MNER])
    write_lines(tmp_path / "mine" / "dev.jsonl", [MRE, MNER])
    ask = context(tmp_path / "mine", tmp_path)
    dataset = read_jsonl(ask)
    for _ in range(2):
        assert [[example.id for example in split] for split in dataset.splits.values()] == [["1", "1#2"], ["1"]]
    assert [(problem.split, problem.code, problem.count) for problem in ask.issues.issues()] == [
        ("train", "id-repeated", 1),
        ("dev", "record-of-other-task", 1),
    ]


# ---------------------------------------------------------------------------------------------------------------------
# files
@pytest.mark.parametrize("dev", ["dev", "val", "valid"])
def test_a_folder_holds_a_file_a_split(tmp_path, dev):
    for name in ("train", dev, "test"):
        write_lines(tmp_path / "mine" / f"{name}.jsonl", [{**MNER, "id": name}])
    dataset = read_jsonl(context(tmp_path / "mine", tmp_path))
    assert [(split, next(iter(found)).id) for split, found in dataset.splits.items()] == [
        ("train", "train"),
        ("dev", dev),
        ("test", "test"),
    ]


def test_a_single_file_is_the_train_split_unless_it_says_otherwise(tmp_path):
    for name, split in (("tweets", "train"), ("valid", "dev"), ("test", "test")):
        write_lines(tmp_path / "mine" / f"{name}.jsonl", [MNER])
        assert list(read_jsonl(context(tmp_path / "mine" / f"{name}.jsonl", tmp_path)).splits) == [split]


def test_a_dataset_is_called_after_its_folder_or_file(tmp_path):
    for name in ("tweets", "train"):
        write_lines(tmp_path / "mine.v2" / f"{name}.jsonl", [MNER])
    assert dataset_name(tmp_path / "mine.v2") == dataset_name(tmp_path / "mine.v2" / "train.jsonl") == "mine.v2"
    assert dataset_name(tmp_path / "mine.v2" / "tweets.jsonl") == "tweets"


def test_two_files_for_one_split_are_refused(tmp_path):
    for name in ("dev", "valid"):
        write_lines(tmp_path / "mine" / f"{name}.jsonl", [MNER])
    files = {"first": tmp_path / "mine" / "dev.jsonl", "second": tmp_path / "mine" / "valid.jsonl"}
    with raises(DataError, "split-twice", **files, split="dev"):
        read_jsonl(context(tmp_path / "mine", tmp_path))


def test_folder_of_other_files_is_reported_with_advice(tmp_path):
    write(tmp_path / "mine" / "train.txt", "IMGID:1\n")
    with raises(DataError, "no-split-files", folder=tmp_path / "mine"):
        read_jsonl(context(tmp_path / "mine", tmp_path))


def test_prepared_data_is_not_prepared_again(tmp_path):
    write(tmp_path / "mine" / "manifest.json", "{}")
    with raises(DataError, "data-already-prepared", folder=tmp_path / "mine"):
        read_jsonl(context(tmp_path / "mine", tmp_path))


def test_a_missing_path_is_named(tmp_path):
    with raises(DataError, "data-path-missing", path=tmp_path / "none"):
        read_jsonl(context(tmp_path / "none", tmp_path))


def test_data_without_any_entity_is_refused(tmp_path):
    with raises(DataError, "no-entities", data=tmp_path / "mine" / "train.jsonl"):
        read(tmp_path, {**MNER, "tags": ["O", "O"]})


def test_data_without_any_relation_is_refused(tmp_path):
    with raises(DataError, "no-relations", data=tmp_path / "mine" / "train.jsonl"):
        read(tmp_path, {**MRE, "relation": "None"})


# ------------------------------------------------------------------------------------------------------------------
# images
def test_images_and_objects_lie_beside_the_data(tmp_path):
    folder = tmp_path / "mine"
    image, crop = draw(folder / "img" / "a.jpg"), draw(folder / "a_1.png")
    objects = [
        "a_1.png",
        {"box": [0, 1, 3.5, 4], "phrase": "the tower", "score": 0.5},
        {"image": "a_1.png", "box": [1, 1, 2, 2]},
    ]
    [example] = examples(tmp_path, {**MNER, "image": "img/a.jpg", "objects": objects})
    assert example.image == image
    assert example.objects == (
        VisualObject(crop),
        VisualObject(None, Box(0, 1, 3.5, 4), "the tower", 0.5),
        VisualObject(crop, Box(1, 1, 2, 2)),
    )


def test_missing_images_and_crops_are_counted_once_each(tmp_path):
    record = {**MNER, "image": "no.jpg", "objects": ["no_1.jpg", {"box": [0, 0, 2, 2]}]}
    dataset, problems = read(tmp_path, record, record, {**MNER, "image": "no\0.jpg"}, MNER, {**MNER, "image": ""})
    assert [(example.image, example.objects) for example in dataset.splits["train"]] == [(None, ())] * 5
    file = tmp_path / "mine" / "train.jsonl"
    assert dataset.search.missing == {"train": (f"{file}:1: no.jpg",)}
    assert kinds(problems) == {"id-repeated": 4, "image-name-invalid": 1}  # a name that no file can have
    assert dataset.search.missing_crops == {"train": (f"{file}:1: no_1.jpg",)}
    assert dataset.search.folders == (tmp_path / "mine",)


@pytest.mark.parametrize(
    "name", ["../secret.jpg", "img/../../secret.jpg", "link.jpg", "linked/secret.jpg", "{root}/secret.jpg"]
)
def test_no_path_leaves_the_datas_folder(tmp_path, name):
    draw(tmp_path / "secret.jpg")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (tmp_path / "mine" / "linked").symlink_to(tmp_path)
    name = name.format(root=tmp_path)
    dataset, problems = read(tmp_path, {**MNER, "image": name, "objects": [name]})
    assert (first(dataset).image, first(dataset).objects) == (None, ())
    assert kinds(problems) == {"image-outside-folder": 2}


@pytest.mark.parametrize(
    ("thing", "code"),
    [
        (7, "object-record-invalid"),
        ([0, 0, 1, 1], "object-record-invalid"),
        ({}, "object-record-invalid"),
        ({"box": [0, 0, 1]}, "box-invalid"),
        ({"box": [1, 0, 1, 1]}, "box-invalid"),
        ({"box": [0, 0, 1, float("inf")]}, "box-invalid"),
        ({"box": [0, 0, "1", True]}, "box-invalid"),
        ({"box": [0, 0, 10**400, 1]}, "box-invalid"),
    ],
)
def test_an_object_that_cannot_be_used_is_left_out(tmp_path, thing, code):
    draw(tmp_path / "mine" / "a.jpg")
    dataset, problems = read(tmp_path, {**MNER, "image": "a.jpg", "objects": [thing, {"box": [0, 0, 2, 2]}]})
    assert len(first(dataset).objects) == 1
    assert kinds(problems) == {code: 1}


@pytest.mark.parametrize(
    ("box", "code"),
    [
        ([40, 0, 50, 10], "box-outside"),
        ([-5, 3, 0, 9], "box-outside"),
        ([0.1, 0.2, 0.5, 0.9], "box-relative"),
        ([0, 0, 1, 1], "box-relative"),
        ([0, 0, 1.0, 0.5], "box-relative"),
    ],
)
def test_a_box_that_cannot_be_cut_is_left_out_with_its_line(tmp_path, box, code):
    tiny.draw(tmp_path / "mine" / "a.jpg")
    dataset, problems = read(tmp_path, {**MNER, "image": "a.jpg", "objects": [{"box": box}, {"box": [3, 3, 9, 9]}]})
    assert [thing.box for thing in first(dataset).objects] == [Box(3, 3, 9, 9)]
    [problem] = problems.issues()
    assert problem.code == code
    assert problem.places == [f"{tmp_path / 'mine' / 'train.jsonl'}:1: {problem.messages[0]}"]
    assert problem.messages[0].fields == {"box": tuple(box), "width": 32, "height": 32}


@pytest.mark.parametrize("name", ["a" * 5000, "a/" * 3000 + "b"], ids=["name", "path"])
def test_image_with_impossible_file_name_is_missing(tmp_path, name):
    dataset, _ = read(tmp_path, {**MNER, "image": name, "objects": [{"image": name, "score": 10**400}]})
    assert (first(dataset).image, first(dataset).objects) == (None, ())
    assert [len(found) for found in (dataset.search.missing["train"], dataset.search.missing_crops["train"])] == [1, 1]


@pytest.mark.parametrize("name", [5, ["a.jpg"], {"file": "a.jpg"}])
def test_image_that_is_no_file_name_is_reported(tmp_path, name):
    dataset, problems = read(tmp_path, {**MNER, "image": name})
    assert (first(dataset).image, dataset.search.missing) == (None, {})
    assert kinds(problems) == {"image-not-file-name": 1}


def test_suspicious_types_and_relations_are_reported(tmp_path):
    record = {"text": TEXT, "entities": [entity(0, 7, "B-PER"), entity(13, 21, "LOC")]}
    dataset, problems = read(tmp_path, record)
    assert [tag for tag in first(dataset).tags if tag != "O"] == ["B-B-PER", "I-B-PER", "B-LOC", "I-LOC"]
    assert kinds(problems) == {"entity-type-like-tag": 1}
    dataset, problems = read(
        tmp_path, MRE, {**MRE, "id": "2", "relation": "none"}, {**MRE, "id": "3", "relation": "None"}
    )
    assert dataset.labels.names == ("None", "lives in", "none")
    assert kinds(problems) == {"relation-like-none": 1}


def test_unknown_keys_are_reported_with_suggestions(tmp_path):
    _, problems = read(tmp_path, {**MNER, "img": "a.jpg", "likes": 7})
    [problem] = problems.issues()
    assert (problem.code, problem.skipped) == ("unknown-keys", False)
    img, likes = problem.messages[0].fields["keys"]
    assert (img.code, img.fields["key"], likes.fields["key"]) == ("unknown-record-key", "img", "likes")
    assert "image" in img.fields["hint"] and "tokens" not in img.fields["hint"]


def test_objects_that_are_no_list_are_left_out(tmp_path):
    dataset, problems = read(tmp_path, {**MNER, "objects": "a.jpg"})
    assert kinds(problems) == {"objects-not-list": 1}


def test_text_alone_looks_for_no_images(tmp_path):
    dataset, problems = read(tmp_path, {**MNER, "image": "../no.jpg"}, text_only=True)
    assert first(dataset).image is None
    assert (dataset.search, dataset.images_root, problems.issues()) == (None, None, [])
