"""Preparing data of a user: images elsewhere, random splits, repeated texts, and what is said of each."""

from __future__ import annotations

import json
from pathlib import Path

import formats
import pytest
from fabricate import draw, write, write_lines
from raising import raises

from hvpkit.data.prepared import open_prepared
from hvpkit.data.readers.base import ImageNames
from hvpkit.errors import DataError, InputError
from hvpkit.preprocessing.detection_request import DetectionRequest
from hvpkit.preprocessing.preprocess import preprocess
from hvpkit.preprocessing.random_split import SplitRequest

MNER = {"tokens": ["Ann", "sings"], "tags": ["B-PER", "O"]}
NO_OBJECTS = DetectionRequest(detector="none")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def prepare(path, **options):
    return preprocess(path, objects=NO_OBJECTS, **options)


def examples(split="train", name="mine"):
    return list(open_prepared(Path("data") / name).examples(split))


# ------------------------------------------------------------------------------------------------------------- images
@pytest.mark.parametrize("name", ["{root}/photos/{i}.png", "../photos/{i}.png", "linked/{i}.png"])
def test_images_elsewhere_need_their_folder_named(folder, name):
    for i in range(6):
        draw(folder / "photos" / f"{i}.png", colour=(40 * i, 0, 0))
    records = [{**MNER, "image": name.format(root=folder, i=i)} for i in range(6)]
    write_lines(folder / "mine" / "train.jsonl", records)
    (folder / "mine" / "linked").symlink_to(folder / "photos")
    with raises(DataError, "images-outside-folders", count=6, folders=(folder / "mine",)):
        prepare("mine")
    report = prepare("mine", images=ImageNames((Path("photos"),)))
    assert report.splits["train"].images == 6
    assert [example.image for example in examples()] == [folder / "photos" / f"{i}.png" for i in range(6)]


def test_the_pattern_names_images_by_id(folder):
    draw(folder / "photos" / "7_small.png")
    write_lines(folder / "mine" / "train.jsonl", [{**MNER, "id": 7}, {**MNER, "id": "8"}])
    report = prepare("mine", images=ImageNames((Path("photos"),), "{id}_small.jpg"))
    assert [example.image and example.image.name for example in examples()] == ["7_small.png", None]
    assert report.splits["train"].images_missing == 1


@pytest.mark.parametrize(
    ("image", "code", "field", "value"),
    [
        ("https://example.org/a?b=c&d.png", "images-are-urls", "url", "https://example.org/a?b=c&d.png"),
        (["a.png"], "images-refused", "count", 1),
        ("none.png", "no-image-found", "count", 1),
    ],
)
def test_without_any_image_the_true_reason_is_given(folder, image, code, field, value):
    write_lines(folder / "mine" / "train.jsonl", [{**MNER, "image": image}] * 2)
    with raises(DataError, code, **{field: value}) as caught:
        prepare("mine")
    if code == "no-image-found":
        assert caught.value.fields["advice"].code == "name-image-folder"


def test_tweets_of_any_types_find_images_of_every_ending(folder):
    for name in ("1001.jpg", "1002.jpeg", "1003.jfif", "1005.JPG", "1006.webp"):
        draw(folder / "photos" / name)
    ids = ("1001", "1002.jpeg", "1003", "1005", "1006")
    write(folder / "mine" / "train.txt", "".join(f"IMGID:{i}\nAda\tB-hero\n\n" for i in ids))
    report = prepare("mine", images=ImageNames((Path("photos"),)))
    assert (report.splits["train"].images, report.splits["train"].labels) == (5, {"hero": 5})
    write(folder / "root" / "twitter2017" / "train.txt", "".join(f"IMGID:{i}\nAda\tB-PER\n\n" for i in ids))
    (folder / "photos").rename(folder / "root" / "twitter2017_images")
    assert preprocess("twitter2017", root=folder / "root", objects=NO_OBJECTS).splits["train"].images == 5


@pytest.mark.parametrize("root", ["ours", "more_data", "core_data", "picture-data"])
def test_a_root_is_not_taken_for_a_dataset_whose_letters_it_has(folder, root):
    draw(folder / root / "images" / "1001.jpg")
    write(folder / root / "twitter2017" / "train.txt", "IMGID:1001\nAda\tB-PER\n\n")
    assert preprocess("twitter2017", root=folder / root, objects=NO_OBJECTS).splits["train"].images == 1


# ------------------------------------------------------------------------------------------------------------- splits
def grouped(folder, groups=20, size=5):
    records = []
    for group in range(groups):
        for i in range(size):  # equal images of two names
            image = draw(folder / "mine" / f"{group}-{i % 2}.png", colour=(group, 0, 0)).name
            records.append(
                {"id": f"{group}-{i}", "tokens": [f"w{group}", f"{i}"], "tags": ["B-x", "O"], "image": image}
            )
    write_lines(folder / "mine" / "train.jsonl", records)


def test_equal_images_stay_on_one_side(folder):
    grouped(folder)
    report = prepare("mine", split=SplitRequest.parse("80/10/10", seed=1))
    assert {split: stats.examples for split, stats in report.splits.items()} == {"train": 80, "dev": 10, "test": 10}
    groups = {split: {example.id.partition("-")[0] for example in examples(split)} for split in report.splits}
    assert sum(map(len, groups.values())) == 20
    assert open_prepared(Path("data/mine")).manifest.facts["split"] == {
        "parts": [80, 10, 10],
        "seed": 1,
        "counts": {"train": 80, "dev": 10, "test": 10},
    }


def test_the_seed_decides(folder):
    grouped(folder)
    prints = [prepare("mine", split=SplitRequest.parse("80/10/10", seed)).fingerprint for seed in (1, 1, 2)]
    assert prints[0] == prints[1] != prints[2]


def test_equal_texts_without_image_stay_on_one_side_and_a_test_split_stays(folder):
    records = [{"tokens": [f"w{i // 4}"], "tags": ["B-x"]} for i in range(40)]
    write_lines(folder / "mine" / "train.jsonl", records)
    write_lines(folder / "mine" / "test.jsonl", [{"tokens": ["other"], "tags": ["B-x"]}])
    report = prepare("mine", text_only=True, split=SplitRequest.parse("80/20/20"))
    assert {split: stats.examples for split, stats in report.splits.items()} == {"train": 32, "dev": 8, "test": 1}
    assert not [issue for issue in report.problems if issue.code == "text-in-two-splits"]


@pytest.mark.parametrize("text", ["80", "80/10", "80/10/10/1", "0/50/50", "100/0/0", "a/b/c", "-80/10/10"])
def test_other_proportions_are_refused(text):
    with raises(InputError, "split-invalid", found=text):
        SplitRequest.parse(text)


def test_splits_that_cannot_be_made_are_refused(folder):
    request = SplitRequest.parse("80/10/10")
    write_lines(folder / "few" / "train.jsonl", [MNER] * 9)
    with raises(InputError, "split-too-small", splits=["dev", "test"], count=9):
        prepare("few", text_only=True, split=request)
    for split in ("train", "dev", "test"):
        write_lines(folder / "whole" / f"{split}.jsonl", [MNER])
    with raises(InputError, "split-not-needed", splits=["train", "dev", "test"]):
        prepare("whole", text_only=True, split=request)
    write_lines(folder / "part" / "dev.jsonl", [MNER])
    with raises(InputError, "split-without-train", splits=["dev"]):
        prepare("part", text_only=True, split=request)


def test_the_same_text_and_image_in_two_splits_is_counted(folder):
    draw(folder / "mine" / "a.png")
    draw(folder / "mine" / "b.png")
    seen = {**MNER, "image": "a.png"}
    write_lines(folder / "mine" / "train.jsonl", [seen, seen])
    write_lines(folder / "mine" / "dev.jsonl", [{**seen, "id": "again"}, {**seen, "image": "b.png"}])
    report = prepare("mine")
    [issue] = report.problems
    assert (issue.code, issue.split, issue.count, issue.skipped) == ("text-in-two-splits", "dev", 1, False)
    assert issue.messages[0].fields == {"id": "again", "text": "Ann sings", "other": "train"}


# ------------------------------------------------------------------------------------------------------------ relations
@pytest.mark.parametrize("name", ["no_relation", "NA", "none"])
def test_a_negative_class_of_another_name_is_reported(folder, name):
    pair = {"tokens": ["a", "b"], "head": {"start": 0, "end": 1}, "tail": {"start": 1, "end": 2}}
    write_lines(folder / "mine" / "train.jsonl", [{**pair, "relation": name}] * 8 + [{**pair, "relation": "x"}] * 2)
    [issue] = prepare("mine", text_only=True).problems
    assert (issue.code, issue.count, issue.messages[0].fields) == ("relation-like-none", 8, {"relation": name})


def test_a_split_without_entities_is_reported(folder):
    write_lines(folder / "mine" / "train.jsonl", [MNER])
    write_lines(folder / "mine" / "dev.jsonl", [{"tokens": ["so", "quiet"], "tags": ["O", "O"]}])
    [issue] = prepare("mine", text_only=True).problems
    assert (issue.code, issue.split, issue.messages[0].fields) == ("split-without-labels", "dev", {"split": "dev"})


# ------------------------------------------------------------------------------------------------------------- formats
def test_the_format_is_reported_and_stored(folder, logged):
    formats.write_format(folder / "mine", "gliner")
    report = prepare("mine", text_only=True)
    assert [(note.code, note.fields) for note in logged()][:1] == [
        ("format-recognized", {"path": Path("mine"), "format": "gliner"})
    ]
    assert report.source == f"gliner data of {folder / 'mine'}"
    assert json.loads(Path("data/mine/manifest.json").read_text())["source"] == report.source


def test_a_prepared_format_does_not_replace_another_of_its_name(folder):
    formats.write_format(folder / "mine", "gliner")
    prepare("mine", text_only=True)
    formats.write_format(folder / "other" / "mine", "jsonl")
    with raises(DataError, "output-holds-other-source"):
        prepare("other/mine", text_only=True)


def test_a_format_needs_a_path_and_a_dataset_no_format(folder):
    with raises(InputError, "path-needed", name="gliner"):
        prepare("gliner")
    with raises(InputError, "format-with-name", name="mnre"):
        prepare("mnre", format_name="deepke")
    formats.write_format(folder / "gliner", "gliner")
    assert prepare("gliner", text_only=True).name == "gliner"


def test_a_folder_whose_name_is_not_utf8_is_read(folder):
    name = b"mine\xff".decode("utf-8", "surrogateescape")
    try:
        (folder / name).mkdir()
    except OSError:
        pytest.skip("this file system has no such names")
    write_lines(folder / name / "train.jsonl", [MNER])
    report = prepare(f"./{name}", output=folder / "out", text_only=True)
    data = open_prepared(report.folder)
    assert name in data.manifest.source
    assert len(data.examples("train")) == 1
    (folder / "out" / "manifest.json").read_bytes().decode("utf-8")
