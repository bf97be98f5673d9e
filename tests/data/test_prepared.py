"""Prepared folders: whole or not there, what was written is what is read, and nothing else is ever replaced."""

from __future__ import annotations

import json
import shutil

import pytest
from raising import raises

from hvpkit.data.prepared import open_prepared, stage_prepared, write_prepared, write_records
from hvpkit.errors import DataError
from hvpkit.labels.inventory import MNRE_RELATIONS, relation_labels, tag_labels
from hvpkit.types import Box, Example, Labels, Span, VisualObject

TAGS = tag_labels()


def examples(root):
    crop = VisualObject(root / "crops" / "c.png", Box(0, 1.5, 3, 4), "the tower", 0.25)
    return [
        Example(
            "a",
            ("Ann", "sings"),
            ("B-PER", "O"),
            image=root / "p" / "ä b.jpg",
            objects=(crop, VisualObject(box=Box(0, 0, 2, 2))),
        ),
        Example("b", ("☂", "\u2028"), ("O", "O"), metadata={"clue": "small"}),
    ]


def write(folder, root, splits=None, name="mine", labels=TAGS, **options):
    splits = {"train": examples(root)} if splits is None else splits
    return write_prepared(
        folder, name=name, task=labels.task, labels=labels, splits=splits, images_root=root, source="a test", **options
    )


def test_what_was_written_is_what_is_read(tmp_path):
    manifest = write(tmp_path / "out", tmp_path, facts={"upper_bounds": {"text": 61.5}})
    data = open_prepared(tmp_path / "out")
    assert data.examples("train") == examples(tmp_path)
    assert data.examples("dev") == data.examples("test") == []
    assert data.manifest == manifest
    assert data.labels == TAGS
    assert manifest.counts == {"train": 2, "dev": 0, "test": 0}
    assert manifest.facts == {"upper_bounds": {"text": 61.5}}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_pairs_are_kept_with_their_spans(tmp_path):
    example = Example("a", ("Ann", "of", "Rome"), head=Span(2, 3), tail=Span(0, 1), relation="None")
    write(tmp_path / "out", None, {"test": [example]}, labels=relation_labels())
    assert open_prepared(tmp_path / "out").examples("test") == [example]


def test_a_folder_with_its_images_inside_can_be_moved(tmp_path):
    with stage_prepared(tmp_path / "out", "made") as stage:
        (stage / "images").mkdir()
        (stage / "images" / "a.png").touch()
        example = Example("a", ("x",), ("O",), image=stage / "images" / "a.png")
        write_records(
            stage, name="made", task="mner", labels=TAGS, splits={"train": [example]}, images_root=stage, source="made"
        )
    shutil.move(tmp_path / "out", tmp_path / "moved")
    [example] = open_prepared(tmp_path / "moved").examples("train")
    assert example.image == tmp_path / "moved" / "images" / "a.png"
    assert example.image.is_file()


@pytest.mark.parametrize(
    ("moved", "images"), [("new/data/out", "old/p"), ("new", "new/p")], ids=["alone", "with its images"]
)
def test_images_are_found_when_a_folder_is_moved(tmp_path, moved, images):
    (tmp_path / "old" / "p").mkdir(parents=True)
    (tmp_path / "old" / "p" / "ä b.jpg").touch()
    (tmp_path / "old" / "data").mkdir()
    write(tmp_path / "old" / "data" / "out", tmp_path / "old")
    (tmp_path / moved).parent.mkdir(parents=True, exist_ok=True)
    shutil.move(tmp_path / "old" / ("data/out" if moved.endswith("out") else ""), tmp_path / moved)
    [first, _] = open_prepared(tmp_path / "new" / "data" / "out").examples("train")
    assert first.image == tmp_path / images / "ä b.jpg"
    assert first.image.is_file()


def test_images_in_an_unreadable_folder_count_as_missing(tmp_path, monkeypatch):
    write(tmp_path / "out", tmp_path / "closed")
    data = open_prepared(tmp_path / "out")

    def stat(path, *given, **options):
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patched:
        patched.setattr("os.stat", stat)
        assert data.images_root == tmp_path / "closed"


def test_a_folder_whose_images_are_gone_names_where_they_were(tmp_path):
    write(tmp_path / "out", tmp_path / "gone")
    assert open_prepared(tmp_path / "out").examples("train")[0].image == tmp_path / "gone" / "p" / "ä b.jpg"


def test_what_a_killed_process_left_goes_with_the_next_one_and_that_of_others_stays(tmp_path):
    for left in (".out~k1lled_0", ".out-too~k1lled_1"):
        (tmp_path / left).mkdir()
    write(tmp_path / "out", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".out-too~k1lled_1", "out"]


def test_two_processes_do_not_write_one_folder(tmp_path):
    with stage_prepared(tmp_path / "out", "made"), raises(DataError, "prepared-in-use", folder=tmp_path / "out"):
        write(tmp_path / "out", tmp_path)


# ---------------------------------------------------------------------------------------------------------------
# fingerprint
def test_the_fingerprint_does_not_depend_on_where_files_lie(tmp_path):
    one = write(tmp_path / "one", tmp_path / "here")
    two = write(tmp_path / "two", tmp_path / "there")
    assert one.fingerprint == two.fingerprint
    assert len(one.fingerprint) == 16
    int(one.fingerprint, 16)


@pytest.mark.parametrize(
    "change",
    [
        [Example("z", ("Ann", "sings"), ("B-PER", "O"))],
        [Example("a", ("Ann", "sing"), ("B-PER", "O"))],
        [Example("a", ("Ann", "sings"), ("B-LOC", "O"))],
        [Example("a", ("Ann", "sings"), None)],
        [],
    ],
)
def test_the_fingerprint_sees_ids_words_and_tags(tmp_path, change):
    before = write(tmp_path / "one", None, {"train": [Example("a", ("Ann", "sings"), ("B-PER", "O"))]})
    assert write(tmp_path / "two", None, {"train": change}).fingerprint != before.fingerprint


@pytest.mark.parametrize("change", [{"head": Span(0, 2)}, {"tail": Span(1, 3)}, {"relation": "/per/per/peer"}])
def test_the_fingerprint_sees_spans_and_relations(tmp_path, change):
    facts = {"head": Span(0, 1), "tail": Span(2, 3), "relation": "None"}
    prints = [
        write(
            tmp_path / name, None, {"dev": [Example("a", ("x", "y", "z"), **values)]}, labels=relation_labels()
        ).fingerprint
        for name, values in (("one", facts), ("two", {**facts, **change}))
    ]
    assert prints[0] != prints[1]


def test_the_fingerprint_sees_which_split_an_example_is_in(tmp_path):
    example = Example("a", ("x",), ("O",))
    assert (
        write(tmp_path / "one", None, {"train": [example]}).fingerprint
        != write(tmp_path / "two", None, {"dev": [example]}).fingerprint
    )


# ------------------------------------------------------------------------------------------------------------ damaged
# folders
def test_missing_folder_is_reported_with_the_command_to_run(tmp_path):
    with raises(DataError, "no-prepared-data", folder=tmp_path / "none", file="manifest.json"):
        open_prepared(tmp_path / "none")


def test_a_newer_format_is_refused(tmp_path):
    write(tmp_path / "out", tmp_path)
    file = tmp_path / "out" / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "format": 1}))
    with raises(DataError, "prepared-format", file=file, found=1, expected=2, folder=tmp_path / "out"):
        open_prepared(tmp_path / "out")


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"format": 2}', '{"format": 2, "labels": 3}'])
def test_a_damaged_manifest_is_named(tmp_path, text):
    write(tmp_path / "out", tmp_path)
    (tmp_path / "out" / "manifest.json").write_text(text)
    with raises(DataError, "manifest-damaged", file=tmp_path / "out" / "manifest.json", folder=tmp_path / "out"):
        open_prepared(tmp_path / "out")


def test_missing_splits_are_listed_at_once(tmp_path):
    write(tmp_path / "out", tmp_path)
    for split in ("dev", "test"):
        (tmp_path / "out" / f"{split}.jsonl").unlink()
    with raises(DataError, "splits-missing", folder=tmp_path / "out", files=["dev.jsonl", "test.jsonl"], name="mine"):
        open_prepared(tmp_path / "out")


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"id": "a"}',
        '{"id": "a", "words": ["x"], "image": "../x.png"}',
        '{"id": "a", "words": ["x"], "image": "/x.png"}',
    ],
)
def test_a_damaged_line_is_named(tmp_path, line):
    write(tmp_path / "out", tmp_path)
    file = tmp_path / "out" / "train.jsonl"
    file.write_text(file.read_text(encoding="utf-8").splitlines()[0] + f"\n{line}\n", encoding="utf-8")
    with raises(DataError, "prepared-line-unreadable", file=file, line=2, name="mine", folder=tmp_path / "out"):
        open_prepared(tmp_path / "out").examples("train")


@pytest.mark.parametrize(
    ("edit", "found"), [(lambda text: text.split("\n")[0] + "\n", 1), (lambda text: text.replace("sings", "sang"), 2)]
)
def test_lines_that_were_changed_afterwards_are_refused(tmp_path, edit, found):
    write(tmp_path / "out", tmp_path)
    file = tmp_path / "out" / "train.jsonl"
    file.write_text(edit(file.read_text(encoding="utf-8")), encoding="utf-8")
    with raises(DataError, "split-changed", file=file, expected=2, found=found, name="mine"):
        open_prepared(tmp_path / "out").examples("train")


# --------------------------------------------------------------------------------------------------------------
# replacing
def test_older_data_of_the_same_name_is_replaced(tmp_path):
    write(tmp_path / "out", tmp_path)
    write(tmp_path / "out", tmp_path, {"train": [Example("n", ("new",), ("O",))]})
    assert [example.id for example in open_prepared(tmp_path / "out").examples("train")] == ["n"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_data_of_another_name_is_not_replaced(tmp_path):
    write(tmp_path / "out", tmp_path)
    with raises(DataError, "output-holds-other-data", folder=tmp_path / "out", found="mine", expected="yours"):
        write(tmp_path / "out", tmp_path, name="yours")


@pytest.mark.parametrize("prepared", [True, False])
def test_a_folder_with_other_files_is_not_replaced(tmp_path, prepared):
    if prepared:
        write(tmp_path / "out", tmp_path)
    (tmp_path / "out").mkdir(exist_ok=True)
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    with raises(DataError, "output-holds-other-files", folder=tmp_path / "out", files=["thesis.tex"]):
        write(tmp_path / "out", tmp_path)
    assert (tmp_path / "out" / "thesis.tex").read_text() == "years of work"


def test_a_folder_that_only_looks_prepared_is_not_replaced(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "train.jsonl").write_text("mine")
    with raises(DataError, "output-holds-other-files", folder=tmp_path / "out", files=["train.jsonl"]):
        write(tmp_path / "out", tmp_path)
    (tmp_path / "out" / "manifest.json").write_text("{}")
    with raises(DataError, "output-manifest-damaged", file=tmp_path / "out" / "manifest.json", folder=tmp_path / "out"):
        write(tmp_path / "out", tmp_path)


def test_a_file_or_a_link_is_not_replaced(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    for name in ("file", "link"):
        with raises(DataError, "output-not-a-folder", folder=tmp_path / name):
            write(tmp_path / name, tmp_path)


def test_an_empty_folder_is_used(tmp_path):
    (tmp_path / "out").mkdir()
    write(tmp_path / "out", tmp_path)
    assert open_prepared(tmp_path / "out").manifest.name == "mine"


@pytest.mark.parametrize("fault", [KeyboardInterrupt, ValueError])
def test_an_interruption_leaves_the_old_folder_and_nothing_else(tmp_path, fault):
    def interrupted():
        yield Example("n", ("new",), ("O",))
        raise fault

    with pytest.raises(fault):
        write(tmp_path / "a" / "b" / "out", tmp_path, {"train": interrupted()})
    assert list(tmp_path.iterdir()) == []
    write(tmp_path / "out", tmp_path)
    with pytest.raises(fault):
        write(tmp_path / "out", tmp_path, {"train": interrupted()})
    assert [example.id for example in open_prepared(tmp_path / "out").examples("train")] == ["a", "b"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


# -----------------------------------------------------------------------------------------------------------------
# examples
@pytest.mark.parametrize(
    ("example", "code", "fields"),
    [
        (Example("a", ()), "example-word-empty", {"words": []}),
        (Example("a", ("x", "")), "example-word-empty", {"words": ["x", ""]}),
        (Example("a", ("x",), ("O", "O")), "example-tag-count-mismatch", {"found": 2, "expected": 1}),
        (Example("a", ("x",), ("B-ANIMAL",)), "example-label-unknown", {"label": "B-ANIMAL"}),
        (Example("a", ("x",), ("O",), head=Span(0, 2)), "example-span-outside", {"start": 0, "end": 2, "length": 1}),
    ],
)
def test_an_example_that_does_not_fit_is_refused(tmp_path, example, code, fields):
    with raises(DataError, code, id="a", **fields):
        write(tmp_path / "out", tmp_path, {"train": [example]})
    assert not (tmp_path / "out").exists()


def test_image_outside_the_images_folder_is_refused(tmp_path):
    with raises(DataError, "image-outside-folder", image=str(tmp_path / "x.png"), folder=tmp_path / "images"):
        write(
            tmp_path / "out", tmp_path / "images", {"train": [Example("a", ("x",), ("O",), image=tmp_path / "x.png")]}
        )


def test_a_pair_without_its_tail_is_refused(tmp_path):
    with raises(DataError, "example-without-pair", id="a"):
        write(
            tmp_path / "out",
            None,
            {"train": [Example("a", ("x",), head=Span(0, 1), relation="None")]},
            labels=relation_labels(),
        )


# -------------------------------------------------------------------------------------------------------------------
# labels
def test_tags_come_in_a_fixed_order():
    assert tag_labels().names == ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-MISC", "I-MISC")
    assert tag_labels({"zoo", "ORG", "art"}) == Labels(
        "mner", ("O", "B-ORG", "I-ORG", "B-art", "I-art", "B-zoo", "I-zoo")
    )


def test_relations_come_none_first():
    assert relation_labels(["b", "None", "a", "a"]).names == relation_labels(["b", "a"]).names == ("None", "a", "b")
    assert len(set(MNRE_RELATIONS)) == len(relation_labels().names) == 23
