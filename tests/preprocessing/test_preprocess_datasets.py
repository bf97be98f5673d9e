"""Preparing: names and paths, counts, images that are missing or bad, and nothing left behind when it fails."""

from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import Mock

import pytest
from fabricate import TWEETS, draw, pair, write, write_lines, write_pairs, write_tweets
from raising import raises

from hvpkit.data.prepared import is_user_source, open_prepared
from hvpkit.data.readers.base import DatasetReader, DatasetSplits
from hvpkit.errors import ComponentError, DataError, InputError, did_you_mean
from hvpkit.labels.inventory import tag_labels
from hvpkit.messages import Message
from hvpkit.preprocessing.formats import LocatedDataset, locate_dataset
from hvpkit.preprocessing.preprocess import preprocess
from hvpkit.registry import Component, Registry, load_registry
from hvpkit.types import Example, VisualObject

MNER = {"id": "1", "tokens": ["Ann", "sings"], "tags": ["B-PER", "O"], "image": "a.png"}


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def twitter(root, *images):
    write_tweets(root / "twitter2017")
    for name in images:
        draw(root / "twitter2017_images" / name)


def test_prepared_tweets_match_the_report(tmp_path, bars):
    twitter(tmp_path / "root", "10.jpg", "20.jpg", "30.jpg")
    (tmp_path / "root" / "twitter2017_images" / "11.jpg").write_text("<html>")
    report = preprocess("twitter2017", root=tmp_path / "root")
    assert report.folder == Path("data/twitter2017")
    objects = [("objects of train", 2, 2), ("objects of dev", 1, 1), ("objects of test", 1, 1)]
    assert [(bar.description, bar.total, bar.done) for bar in bars] == [("images", 4, 4), *objects]
    data = open_prepared(report.folder)
    assert (data.manifest.name, data.manifest.fingerprint, data.manifest.text_only) == (
        "twitter2017",
        report.fingerprint,
        False,
    )
    assert [example.image and example.image.name for example in data.examples("train")] == ["10.jpg", None]
    assert all(
        example.image is None or example.image.is_file()
        for split in ("train", "dev", "test")
        for example in data.examples(split)
    )
    train = report.splits["train"]
    assert (train.examples, train.words, train.labels) == (2, 4, {"PER": 1, "LOC": 1, "ORG": 0, "MISC": 0})
    assert (train.images, train.images_missing, train.images_unreadable, train.without_image) == (1, 0, 1, 1)
    unreadable, unlearnt = report.problems
    assert (unreadable.code, unreadable.split, unreadable.count) == ("image-unreadable", "train", 1)
    reason = unreadable.messages[0].fields["reason"]
    assert (reason.code, reason.fields["file"].name) == ("not-image", "11.jpg")
    assert unreadable.places == [unreadable.messages[0]]
    assert (unlearnt.code, unlearnt.split, unlearnt.skipped) == ("label-not-in-training", "test", False)
    [label] = [
        (name, count) for name, count in report.splits["test"].labels.items() if count and not train.labels[name]
    ]
    assert [(message.fields["label"], message.fields["count"]) for message in unlearnt.messages] == [label]
    assert data.manifest.facts == {
        "problems": [{"split": p.split, "kind": p.code, "count": 1} for p in (unreadable, unlearnt)]
    }


def test_images_are_counted_by_file_and_relations_all_listed(tmp_path):
    write_pairs(
        tmp_path / "mnre" / "mnre_train.txt", [pair("a.jpg"), pair("a.jpg", "None"), pair("no.jpg"), pair("no.jpg"), {}]
    )
    draw(tmp_path / "mnre" / "img_org" / "a.jpg")
    report = preprocess("mnre")
    [(split, train)] = report.splits.items()
    assert (split, train.examples, train.left_out) == ("train", 4, 1)
    assert (train.images, train.images_missing, train.without_image) == (1, 1, 2)
    assert len(train.labels) == 23
    assert (sum(train.labels.values()), train.labels["None"], train.labels["/per/loc/place_of_residence"]) == (4, 1, 3)


def test_repaired_tags_are_counted(tmp_path):
    write_tweets(tmp_path / "twitter2017", {"train": [("1", [("a", "I-PER"), ("b", "I-LOC")])]})
    report = preprocess("twitter2017", text_only=True)
    assert report.splits["train"].repaired_tags == 2


def test_objects_are_counted_and_bad_crops_taken_away(tmp_path):
    draw(tmp_path / "mine" / "a.png")
    draw(tmp_path / "mine" / "good.png")
    write(tmp_path / "mine" / "bad.png", "no image")
    write_lines(
        tmp_path / "mine" / "train.jsonl",
        [{**MNER, "objects": ["good.png", "bad.png", "none.png", {"box": [0, 0, 2, 2]}]}],
    )
    report = preprocess("mine")
    train = report.splits["train"]
    assert (train.objects, train.crops_missing, train.crops_unreadable) == (2, 1, 1)
    assert {problem.code for problem in report.problems} == {"crop-missing", "crop-unreadable"}
    [example] = open_prepared(Path("data/mine")).examples("train")
    assert example.objects[0] == VisualObject(tmp_path / "mine" / "good.png")


# ----------------------------------------------------------------------------------------------------------- without
# images
def test_all_images_missing_is_an_error_that_names_the_folders_and_the_way_out(tmp_path):
    twitter(tmp_path / "root")
    (tmp_path / "root" / "images").mkdir()
    with raises(DataError, "no-image-found", count=4) as caught:
        preprocess("twitter2017", root=tmp_path / "root")
    assert {tmp_path / "root" / "images", tmp_path / "root" / "twitter2017"} <= set(caught.value.fields["folders"])
    for part in ("archive", "twitter2017_images/<id>.jpg"):
        assert part in caught.value.fields["advice"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["root"]


def test_all_images_bad_is_an_error_too(tmp_path):
    twitter(tmp_path / "root")
    (tmp_path / "root" / "twitter2017" / "10.jpg").touch()
    with raises(DataError, "no-image-readable") as caught:
        preprocess("twitter2017", root=tmp_path / "root")
    reason = caught.value.fields["reason"]
    assert (reason.code, reason.fields["file"].name) == ("image-empty", "10.jpg")


@pytest.mark.parametrize(
    ("image", "code"), [("images/a.jpg", "image-outside-folder"), (["a.jpg"], "image-not-file-name")]
)
def test_own_data_whose_images_cannot_be_used_is_told_why(tmp_path, image, code):
    draw(tmp_path / "shared" / "a.jpg")
    write_lines(tmp_path / "mine" / "train.jsonl", [{**MNER, "image": image}] * 2)
    (tmp_path / "mine" / "images").symlink_to(tmp_path / "shared")
    expected = "images-refused" if code == "image-not-file-name" else "images-outside-folders"
    with raises(DataError, expected, count=1) as caught:
        preprocess(str(tmp_path / "mine"), output=tmp_path / "data")
    if code == "image-not-file-name":
        assert caught.value.fields["reason"] == Message(code, key="image", found=image)


def test_own_data_that_names_no_image_is_an_error_too(tmp_path):
    write_lines(tmp_path / "mine.jsonl", [{**MNER, "image": None}])
    with raises(DataError, "no-image-named"):
        preprocess("mine.jsonl")


def test_text_only_data_needs_no_images(tmp_path):
    twitter(tmp_path / "root")
    report = preprocess("twitter2017", root=tmp_path / "root", text_only=True)
    data = open_prepared(report.folder)
    assert (data.manifest.text_only, data.images_root, data.manifest.counts) == (
        True,
        None,
        {"train": 2, "dev": 1, "test": 1},
    )


def test_text_is_the_same_data_with_and_without_images(tmp_path):
    twitter(tmp_path, "10.jpg")
    prints = {preprocess("twitter2017", text_only=alone).fingerprint for alone in (False, True)}
    assert len(prints) == 1


# ------------------------------------------------------------------------------------------------------------ names and
# paths
@pytest.mark.parametrize("path", ["mine", "./mine", "mine/train.jsonl", "mine/", "{root}/mine"])
def test_own_data_is_named_by_its_path(tmp_path, path):
    draw(tmp_path / "mine" / "a.png")
    write_lines(tmp_path / "mine" / "train.jsonl", [MNER])
    report = preprocess(path.format(root=tmp_path))
    assert (report.name, report.folder) == ("mine", Path("data/mine"))


def test_a_datasets_name_wins_over_a_folder_of_that_name(tmp_path):
    (tmp_path / "mnre").mkdir()
    write_lines(tmp_path / "mnre" / "train.jsonl", [MNER])
    registry = load_registry()
    assert locate_dataset("mnre", None, registry) == LocatedDataset("mnre", Path(), "mnre")
    assert locate_dataset("./mnre", None, registry) == LocatedDataset("jsonl", Path("mnre"), "mnre", True)
    own = LocatedDataset("jsonl", Path("mnre/train.jsonl"), "mnre")
    assert locate_dataset("jsonl", Path("mnre/train.jsonl"), registry) == own


def test_an_unknown_name_is_refused_with_the_nearest():
    with raises(InputError, "unknown-dataset", name="twitter2016") as caught:
        preprocess("twitter2016")
    assert "twitter2015" in caught.value.fields["hint"]
    assert "twitter2017" in caught.value.fields["hint"]


def test_the_reader_of_own_data_needs_a_path():
    with raises(InputError, "path-needed"):
        preprocess("jsonl")


def test_a_path_and_a_root_are_one_too_many(tmp_path):
    with raises(InputError, "root-with-path", name="./mine"):
        preprocess("./mine", root=tmp_path)


def test_source_data_is_not_overwritten_by_its_output(tmp_path):
    write_lines(tmp_path / "data" / "mine" / "train.jsonl", [MNER])
    draw(tmp_path / "data" / "mine" / "a.png")
    with raises(DataError, "output-holds-other-files", folder=Path("data/mine"), files=["a.png"]):
        preprocess("data/mine")
    assert preprocess("data/mine", output=Path("prepared")).splits["train"].examples == 1


def test_preparing_again_replaces_and_moves_with_the_text(tmp_path):
    twitter(tmp_path, "10.jpg")
    before = preprocess("twitter2017").fingerprint
    assert preprocess("twitter2017").fingerprint == before
    write_tweets(tmp_path / "twitter2017", {"train": [("10", [("Bob", "B-PER")])]})
    assert preprocess("twitter2017").fingerprint != before
    assert open_prepared(Path("data/twitter2017")).examples("train")[0].words == ("Bob",)


@pytest.mark.parametrize("other", ["elsewhere/mine", "elsewhere/mine/dev.jsonl", "mine/train.jsonl"])
def test_own_data_of_the_same_name_does_not_replace_another(tmp_path, other):
    for file in ("mine/train.jsonl", "elsewhere/mine/train.jsonl", "elsewhere/mine/dev.jsonl"):
        write_lines(tmp_path / file, [MNER])
    preprocess("mine", text_only=True)
    kept = (tmp_path / "data" / "mine" / "manifest.json").read_bytes()
    with raises(DataError, "output-holds-other-source", folder=Path("data/mine")) as caught:
        preprocess(other, text_only=True)
    assert caught.value.fields["found"].endswith(f" of {tmp_path}/mine")
    assert caught.value.fields["expected"].endswith(other)
    assert (tmp_path / "data" / "mine" / "manifest.json").read_bytes() == kept
    preprocess("mine/", text_only=True)


def test_a_public_dataset_does_not_replace_own_data_of_its_name(tmp_path):
    write_lines(tmp_path / "twitter2017.jsonl", [MNER])
    preprocess("./twitter2017.jsonl", text_only=True)
    twitter(tmp_path / "root", "10.jpg")
    with raises(DataError, "output-holds-other-source", folder=Path("data/twitter2017")) as caught:
        preprocess("twitter2017", root=tmp_path / "root")
    assert is_user_source(caught.value.fields["found"])
    assert not is_user_source(caught.value.fields["expected"])
    assert json.loads((tmp_path / "data" / "twitter2017" / "manifest.json").read_text())["counts"]["train"] == 1


def test_a_public_dataset_may_have_moved(tmp_path):
    for place in ("here", "there"):
        twitter(tmp_path / place, "10.jpg")
        assert "here" in preprocess("twitter2017", root=tmp_path / place).source


def test_own_data_may_have_no_training_examples(tmp_path):
    write_lines(tmp_path / "mine" / "test.jsonl", [MNER])
    assert preprocess("mine", text_only=True).problems == []


def test_an_interruption_while_images_are_checked_leaves_nothing(tmp_path, bars, monkeypatch):
    twitter(tmp_path / "root", "10.jpg")
    monkeypatch.setattr(bars, "start", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        preprocess("twitter2017", root=tmp_path / "root")
    assert [path.name for path in tmp_path.iterdir()] == ["root"]


# ------------------------------------------------------------------------------------------------------------ plugin
# readers
class Made(DatasetReader):
    """Draw a dataset."""

    def __init__(self, context, *, size=1):
        super().__init__(context)
        self.size = size

    def read(self):
        images = self.context.stage / "images"
        images.mkdir()

        def stream():
            for i in range(self.size):
                yield Example(f"{i}", ("x",), ("O",), image=draw(images / f"{i}.png"))

        facts = {"upper_bounds": {"text": 50.0}}
        return DatasetSplits(tag_labels(), {"train": stream()}, self.context.stage, "drawn", facts)


def registry_with(factory):
    registry = Registry()
    registry.add(Component("reader", "made", factory, "a test"))
    return registry


def test_a_reader_may_draw_its_images_into_the_prepared_folder():
    report = preprocess("made", options={"size": 3}, registry=registry_with(Made))
    data = open_prepared(report.folder)
    assert [example.image.is_file() for example in data.examples("train")] == [True] * 3
    assert data.examples("train")[0].image.is_relative_to(report.folder)
    assert (report.splits["train"].images, data.manifest.facts["upper_bounds"]) == (3, {"text": 50.0})
    assert json.loads((report.folder / "manifest.json").read_text())["images_root"] == "."


def test_a_readers_unknown_option_is_refused():
    with raises(
        ComponentError, "unknown-option", kind="reader", name="made", option="sise", hint=did_you_mean("sise", ["size"])
    ):
        preprocess("made", options={"sise": 3}, registry=registry_with(Made))
    assert not Path("data").exists()


def test_counts_of_the_fabricated_tweets_are_what_they_seem(tmp_path):
    twitter(tmp_path)
    report = preprocess("twitter2017", text_only=True)
    for split, name in (("train", "train"), ("dev", "valid"), ("test", "test")):
        assert report.splits[split].words == sum(len(words) for _, words in TWEETS[name])
        assert sum(report.splits[split].labels.values()) == sum(
            tag[0] == "B" for _, words in TWEETS[name] for _, tag in words
        )
