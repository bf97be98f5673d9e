"""Every format gives the same examples as the own form, and is recognized by its content."""

from __future__ import annotations

import gzip
import subprocess
import sys

import formats
import pytest
from fabricate import context, draw, kinds, write
from raising import raises

from hvpkit.errors import DataError, InputError
from hvpkit.preprocessing.formats import format_names, locate_dataset, recognize_format
from hvpkit.registry import load_registry

REGISTRY = load_registry()
CASES = [(kind, task) for task, kinds_of_task in formats.WRITERS.items() for kind in kinds_of_task]
MISSING = {"spacy-docbin": "spacy"}


def read(folder, name, tmp_path, **options):
    ask = context(folder, tmp_path)
    return REGISTRY.build("reader", name, ask, options).read(), ask.issues


def contents(dataset):
    return {
        split: sorted((e.words, e.tags, e.head, e.tail, e.relation) for e in examples)
        if dataset.labels.task == "mner"
        else sorted((e.words, e.head.start, e.head.end, e.tail.start, e.tail.end, e.relation) for e in examples)
        for split, examples in dataset.splits.items()
    }


def relations_without_blanks(values):
    """Types of brat have no blanks."""
    return {split: [(*row[:-1], row[-1].replace(" ", "_")) for row in rows] for split, rows in values.items()}


@pytest.mark.parametrize(("kind", "task"), CASES)
def test_a_format_gives_the_examples_of_the_own_form(tmp_path, kind, task):
    pytest.importorskip(MISSING.get(kind, "json"))
    folder = formats.write_format(tmp_path / "mine", kind, task)
    name = formats.reader_name(kind)
    assert recognize_format(folder, REGISTRY) == name
    dataset, issues = read(folder, name, tmp_path, **formats.options_for(kind, task))
    own, _ = read(formats.write_format(tmp_path / "own", "jsonl", task), "jsonl", tmp_path)
    expected = contents(own)
    if (kind, task) == ("brat", "mre"):
        expected = relations_without_blanks(expected)
    assert contents(dataset) == expected
    assert {split: len(examples) for split, examples in dataset.splits.items()} == formats.SIZES
    if (kind, task) != ("brat", "mre"):
        assert dataset.labels == own.labels
    notes = {"relations-not-read"} if task == "mner" and name in formats.WITH_TASK else set()
    notes |= {"byte-order-mark", "windows-line-ends"} if name == "csv" else set()
    assert set(kinds(issues)) <= notes


@pytest.mark.parametrize(("kind", "task"), CASES)
def test_a_wrong_format_names_the_right_one(tmp_path, kind, task):
    pytest.importorskip(MISSING.get(kind, "json"))
    folder, name = formats.write_format(tmp_path / "mine", kind, task), formats.reader_name(kind)
    for other in format_names(REGISTRY):
        if other != name:
            with raises(DataError, "format-differs", path=folder, found=name, expected=other):
                recognize_format(folder, REGISTRY, other)
    assert recognize_format(folder, REGISTRY, name) == name


@pytest.mark.parametrize("kind", formats.MNER)
def test_compressed_files_are_read(tmp_path, kind):
    pytest.importorskip(MISSING.get(kind, "json"))
    folder, name = formats.write_format(tmp_path / "mine", kind), formats.reader_name(kind)
    plain = contents(read(folder, name, tmp_path)[0])
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    assert recognize_format(folder, REGISTRY) == name
    assert contents(read(folder, name, tmp_path)[0]) == plain


def test_a_gzip_bomb_is_refused_and_a_cut_file_too(tmp_path):
    bomb = gzip.compress(b" " * (80 * 2**20))
    (tmp_path / "mine.jsonl").write_bytes(gzip.compress(b'{"tokens": ["x"], "tags": ["O"]}\n') + bomb)
    with raises(DataError, "gzip-too-large", file=tmp_path / "mine.jsonl", limit=64):
        read(tmp_path / "mine.jsonl", "jsonl", tmp_path)
    (tmp_path / "cut.jsonl").write_bytes(gzip.compress(b'{"tokens": ["x"], "tags": ["O"]}\n' * 1000)[:-20])
    with raises(DataError, "gzip-damaged", file=tmp_path / "cut.jsonl"):
        read(tmp_path / "cut.jsonl", "jsonl", tmp_path)


def test_the_name_of_a_file_does_not_decide(tmp_path):
    made = formats.sentences()["train"]
    file = write(tmp_path / "train.csv", formats.json_lines(map(formats.as_gliner, made)))
    assert recognize_format(file, REGISTRY) == "gliner"
    file = write(tmp_path / "mine.jsonl", formats.conll_text(made))
    assert recognize_format(file, REGISTRY) == "conll"


def test_splits_in_different_formats_are_refused(tmp_path):
    made = formats.sentences()
    first = write(tmp_path / "mine" / "train.jsonl", formats.json_lines(map(formats.as_jsonl, made["train"])))
    second = write(tmp_path / "mine" / "dev.json", formats.json_lines(map(formats.as_gliner, made["dev"])))
    with raises(DataError, "formats-mixed", first=first, first_format="jsonl", second=second, second_format="gliner"):
        recognize_format(tmp_path / "mine", REGISTRY)
    assert recognize_format(tmp_path / "mine", REGISTRY, "gliner") == "gliner"
    assert list(read(tmp_path / "mine", "gliner", tmp_path)[0].splits) == ["dev"]


def test_what_has_no_known_format_is_described(tmp_path):
    with raises(DataError, "format-unknown", path=write(tmp_path / "a.txt", "Hello there\n")) as caught:
        recognize_format(tmp_path / "a.txt", REGISTRY)
    found = caught.value.fields["found"]
    assert (found.code, found.fields) == ("first-line", {"text": "Hello there"})
    with raises(DataError, "file-blank"):
        recognize_format(write(tmp_path / "b.txt", "\n"), REGISTRY)
    (tmp_path / "empty").mkdir()
    with raises(DataError, "no-data-files", folder=tmp_path / "empty"):
        recognize_format(tmp_path / "empty", REGISTRY)
    with raises(DataError, "not-utf8"):
        recognize_format(write(tmp_path / "c.txt", "Ann".encode("utf-16")), REGISTRY)
    assert "gliner" in caught.value.fields["formats"]


def test_a_single_file_of_any_name_is_the_training_split(tmp_path):
    made = formats.sentences()["train"]
    write(tmp_path / "mine" / "export.json", formats.json_lines(map(formats.as_gliner, made)))
    draw(tmp_path / "mine" / "a.png")
    assert recognize_format(tmp_path / "mine", REGISTRY) == "gliner"
    assert list(read(tmp_path / "mine", "gliner", tmp_path)[0].splits) == ["train"]


def test_a_split_may_be_a_subfolder(tmp_path):
    for split, made in formats.sentences().items():
        write(tmp_path / "mine" / split / "data.bio", formats.conll_text(made))
    assert recognize_format(tmp_path / "mine", REGISTRY) == "conll"
    dataset, _ = read(tmp_path / "mine", "conll", tmp_path)
    assert {split: len(examples) for split, examples in dataset.splits.items()} == formats.SIZES


def test_an_empty_split_is_an_error_and_not_left_out(tmp_path):
    folder = formats.write_format(tmp_path / "mine", "gliner")
    (folder / "dev.json").write_text("\n")
    with raises(DataError, "split-file-empty", split="dev"):
        read(folder, "gliner", tmp_path)


def test_recognizing_imports_no_torch(tmp_path):
    folder = formats.write_format(tmp_path / "mine", "gliner")
    code = (
        "import sys; from pathlib import Path; from hvpkit.registry import load_registry;"
        "from hvpkit.preprocessing.formats import recognize_format;"
        f"assert recognize_format(Path({str(folder)!r}), load_registry()) == 'gliner';"
        "assert not {'torch', 'transformers', 'spacy', 'pyarrow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_readers_of_formats_read_nothing_when_they_are_built(tmp_path):
    for name in format_names(REGISTRY):
        with raises(DataError, "data-path-missing", path=tmp_path / "none"):
            read(tmp_path / "none", name, tmp_path)


def test_an_unknown_format_is_refused_with_the_nearest():
    with raises(InputError, "unknown-format", name="glinr") as caught:
        locate_dataset("./mine", None, REGISTRY, "glinr")
    assert "gliner" in caught.value.fields["hint"]


def test_images_beside_the_file_of_a_split_are_found(tmp_path):
    for split, made in formats.sentences().items():
        write(tmp_path / "mine" / split / "data.jsonl", formats.json_lines(map(formats.as_jsonl, made)))
        for sentence in made:
            draw(tmp_path / "mine" / split / sentence.image)
    dataset, _ = read(tmp_path / "mine", "jsonl", tmp_path)
    for split, examples in dataset.splits.items():
        assert all(example.image == tmp_path / "mine" / split / f"{example.id}.png" for example in examples)
    assert dataset.images_root == tmp_path / "mine"
