"""Converting: what is written reads back as the same examples."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import formats
import pytest
from fabricate import draw, write_lines
from raising import raises

from hvpkit.data.readers.base import ImageNames, ReaderContext
from hvpkit.errors import DataError, InputError
from hvpkit.preprocessing.convert import convert
from hvpkit.preprocessing.formats import recognize_format
from hvpkit.preprocessing.random_split import SplitRequest
from hvpkit.registry import load_registry

REGISTRY = load_registry()
READERS = {"jsonl": "jsonl", "conll": "conll", "gliner": "gliner", "docbin": "spacy"}


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def read(folder, name):
    reader = REGISTRY.build("reader", name, ReaderContext(folder, folder, images=ImageNames((Path("mine"),))), {})
    return {split: list(examples) for split, examples in reader.read().splits.items()}


@pytest.mark.parametrize(
    ("task", "to"), [("mner", name) for name in READERS] + [("mre", name) for name in ("jsonl", "docbin")]
)
def test_a_round_trip_keeps_words_labels_ids_and_images(task, to):
    pytest.importorskip("spacy" if to == "docbin" else "json")
    formats.write_format(Path("mine"), "jsonl", task, images=True)
    report = convert("mine", Path("out"), to=to)
    assert (report.counts, report.problems, report.objects_dropped) == (formats.SIZES, [], 0)
    assert recognize_format(Path("out"), REGISTRY) == READERS[to]
    assert read(Path("out"), READERS[to]) == read(Path("mine"), "jsonl")
    back = convert("out", Path("back"), to="jsonl", images=ImageNames((Path("mine"),)))
    assert back.problems == []
    assert read(Path("back"), "jsonl") == read(Path("mine"), "jsonl")


@pytest.mark.parametrize("kind", formats.MNER)
def test_every_format_is_converted(kind):
    pytest.importorskip("spacy" if kind == "spacy-docbin" else "json")
    formats.write_format(Path("mine"), kind)
    assert convert("mine", Path("out"), to="conll").counts == formats.SIZES


@pytest.mark.parametrize("to", ["jsonl", "docbin", "conll"])
def test_objects_are_kept_where_the_format_has_a_place(to):
    pytest.importorskip("spacy" if to == "docbin" else "json")
    for name in ("a.png", "a_1.png"):
        draw(Path("mine") / name)
    objects = ["a_1.png", {"box": [0, 0, 4, 4], "phrase": "tower", "score": 0.5}]
    record = {"id": "1", "tokens": ["Ann"], "tags": ["B-PER"], "image": "a.png", "objects": objects}
    write_lines(Path("mine/train.jsonl"), [record])
    report = convert("mine", Path("out"), to=to)
    expected = read(Path("mine"), "jsonl")
    if to == "conll":
        assert report.objects_dropped == 2
        expected = {"train": [replace(expected["train"][0], objects=())]}
    assert read(Path("out"), READERS[to]) == expected


def test_one_split_is_a_file_and_several_are_a_folder():
    formats.write_format(Path("mine"), "gliner")
    report = convert("mine/train.json", Path("a/out.jsonl"), to="jsonl")
    assert report.files == {"train": Path("a/out.jsonl")}
    assert len(Path("a/out.jsonl").read_text().splitlines()) == 40
    with raises(InputError, "output-needs-folder", splits=["train", "dev", "test"]):
        convert("mine", Path("b.jsonl"), to="jsonl")
    assert sorted(path.name for path in Path("a").iterdir()) == ["out.jsonl"]


def test_nothing_is_replaced_and_nothing_incomplete_is_left():
    formats.write_format(Path("mine"), "jsonl")
    with raises(InputError, "output-file-exists", file=Path("mine/train.jsonl")):
        convert("mine", Path("mine"), to="jsonl")
    write_lines(Path("odd.jsonl"), [{"id": "1", "tokens": ["a\tb"], "tags": ["B-x"]}])
    with raises(DataError, "word-not-writable", id="1", word="a\tb"):
        convert("odd.jsonl", Path("out.conll"), to="conll")
    assert not [path for path in Path().iterdir() if "out" in path.name]


def test_pairs_have_no_form_in_some_formats():
    formats.write_format(Path("mine"), "jsonl", "mre")
    for to in ("conll", "gliner"):
        with raises(InputError, "output-task-unsupported", format=to, task="mre"):
            convert("mine", Path("out"), to=to)
    with raises(InputError, "unknown-output-format", name="xml"):
        convert("mine", Path("out"), to="xml")


def test_missing_images_are_counted_and_generated_data_is_refused():
    formats.write_format(Path("mine"), "jsonl")
    report = convert("mine", Path("out"), to="jsonl")
    assert [(issue.code, issue.split, issue.count) for issue in report.problems] == [
        ("image-missing", split, size) for split, size in formats.SIZES.items()
    ]
    with raises(InputError, "generated-data-not-converted", name="demo"):
        convert("demo", Path("drawn"), to="jsonl", options={"size": 40})


def test_a_split_is_divided_while_converting():
    formats.write_format(Path("mine"), "gliner")
    report = convert("mine/train.json", Path("out"), to="jsonl", split=SplitRequest.parse("50/25/25"))
    assert report.counts == {"train": 20, "dev": 10, "test": 10}
    assert {json.loads(line)["tokens"][-1] for line in Path("out/dev.jsonl").read_text().splitlines()}
