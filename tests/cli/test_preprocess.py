"""`hvp preprocess` as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import formats
import pytest
from PIL import Image

from hvpkit.cli.dataset_report import COUNT_ROWS, IMAGE_ROWS
from hvpkit.data.prepared import open_prepared
from hvpkit.messages import Message

TWEETS = "IMGID:1\nAnn\tB-PER\nsings\tI-LOC\n\nIMGID:2\nbroken line\n\n"


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "twitter2017" / "images").mkdir(parents=True)
    (tmp_path / "twitter2017" / "train.txt").write_text(TWEETS)
    Image.new("RGB", (8, 8)).save(tmp_path / "twitter2017" / "images" / "1.jpg")
    return tmp_path


def test_table_lists_counts_and_issues(hvp):
    typed = hvp("preprocess", "twitter2017")
    assert (typed.code, typed.err) == (0, "")
    rows = {cells[0]: cells[1] for line in typed.out.splitlines() if len(cells := line.split("\t")) > 1}
    title = {name: title for title, name in (*COUNT_ROWS, *IMAGE_ROWS)}
    assert [rows[title[name]] for name in ("examples", "images", "repaired_tags", "left_out", "words")] == [
        "1",
        "1",
        "1",
        "1",
        "2",
    ]
    assert rows["PER"] == rows["LOC"] == "1"
    assert "line-without-tab" in rows
    assert f"train.txt:6: {Message('line-without-tab', text='broken line')}" in typed.out
    assert typed.notes == ["splits-absent", "objects-detected", "data-prepared"]
    assert typed.fields("splits-absent") == {"splits": ["dev", "test"]}
    folder = Path("data/twitter2017")
    assert typed.fields("data-prepared") == {
        "fingerprint": open_prepared(folder).manifest.fingerprint,
        "folder": folder,
    }


def test_json_is_one_document(hvp):
    typed = hvp("preprocess", "twitter2017", "--json", "--output", "there")
    report = json.loads(typed.out)
    assert (typed.code, typed.err, report["folder"], report["text_only"]) == (0, "", "there", False)
    assert report["splits"]["train"]["labels"] == {"PER": 1, "LOC": 1, "ORG": 0, "MISC": 0}
    assert report["fingerprint"] == json.loads(Path("there/manifest.json").read_text())["fingerprint"]


def test_text_only_shows_no_images(hvp, root):
    (root / "twitter2017" / "images" / "1.jpg").unlink()
    typed = hvp("preprocess", "twitter2017")
    assert (typed.code, typed.errors) == (2, ["no-image-found"])
    typed = hvp("preprocess", "twitter2017", "--text-only")
    assert (typed.code, typed.notes) == (0, ["splits-absent", "text-prepared"])
    assert COUNT_ROWS[0][0] in typed.out
    assert not [title for title, _ in IMAGE_ROWS if title in typed.out]


@pytest.mark.parametrize(
    ("words", "code", "name", "value"),
    [
        (("twitter2017", "--root", "nowhere"), "root-missing", "folder", "nowhere"),
        (("mnre",), "no-text-files", "dataset", "mnre"),
        (("twiter2017",), "unknown-dataset", "hint", "twitter2017"),
        (("./none.jsonl",), "data-path-missing", "path", "none.jsonl"),
        (("twitter2017", "--output", "twitter2017"), "output-holds-other-files", "files", "train.txt"),
    ],
)
def test_invalid_data_is_refused_with_one_message(hvp, root, words, code, name, value):
    typed = hvp("preprocess", *words)
    assert (typed.code, typed.out, typed.errors, len(typed.messages)) == (2, "", [code], 1)
    assert value in str(typed.fields(code)[name])
    assert "Traceback" not in typed.err
    assert sorted(path.name for path in root.iterdir()) == ["twitter2017"]


PLUGIN = '''
from hvpkit.labels.inventory import tag_labels
from hvpkit.data.readers.base import DatasetReader, DatasetSplits
from hvpkit.hookspecs import hookimpl
from hvpkit.types import Example

class Mine(DatasetReader):
    """Two words."""

    def read(self):
        return DatasetSplits(tag_labels(), {"dev": [Example("a", ("Ann", "sings"), ("B-PER", "O"))]}, None, "a plugin")

@hookimpl
def register_readers(register):
    register("mine", Mine)
'''


def test_a_plugins_reader_is_prepared_by_its_name(hvp, root):
    (root / "mine.py").write_text(PLUGIN)
    typed = hvp("preprocess", "mine", "--plugin", "mine.py", "--json")
    assert (typed.code, json.loads(typed.out)["splits"]["dev"]["words"]) == (0, 2)


def test_help_has_an_example(hvp):
    typed = hvp("preprocess", "--help")
    assert "hvp preprocess" in typed.out and "--root" in typed.out


def test_options_of_own_data(hvp, root):
    formats.write_format(root / "mine", "label-studio", "mre")
    typed = hvp("preprocess", "mine", "--task", "mre", "--text-only", "--format", "label-studio")
    assert (typed.code, "lives in" in typed.out) == (0, True)
    (root / "one").mkdir()
    (root / "one" / "train.json").write_text('{"tokens": ["a"], "ner_tags": [1]}\n' * 20)
    (root / "names.txt").write_text("O\nB-PER\n")
    words = ("preprocess", "one", "--text-only")
    assert hvp(*words).errors == ["label-names-missing"]
    (root / "one" / "train.json").write_text("".join(f'{{"tokens": ["a{i}"], "ner_tags": [1]}}\n' for i in range(20)))
    typed = hvp(*words, "--labels", "names.txt", "--split", "80/10/10", "--seed", "3", "--json")
    assert {split: found["examples"] for split, found in json.loads(typed.out)["splits"].items()} == {
        "train": 16,
        "dev": 2,
        "test": 2,
    }


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--images", "nowhere"), "images-folder-missing"),
        (("--image-pattern", "a.jpg"), "image-pattern-without-id"),
        (("--split", "80"), "split-invalid"),
        (("--format", "glinr"), "unknown-format"),
        (("--format", "gliner"), "format-differs"),
    ],
)
def test_options_that_cannot_be_used_are_refused(hvp, options, code):
    typed = hvp("preprocess", "./twitter2017", *options)
    assert (typed.code, typed.errors) == (2, [code])


def test_converting_says_what_was_written(hvp, root):
    formats.write_format(root / "mine", "gliner")
    typed = hvp("convert", "mine", "out", "--to", "conll")
    assert (typed.code, typed.notes) == (0, ["split-written"] * 3)
    assert sorted(path.name for path in Path("out").iterdir()) == ["dev.conll", "test.conll", "train.conll"]
    assert json.loads(hvp("convert", "out", "again", "--to", "jsonl", "--json").out)["counts"] == formats.SIZES
    assert hvp("convert", "mine", "out", "--to", "conll").errors == ["output-file-exists"]


@pytest.mark.parametrize("name", ["run:100:a", "[red]a", "2017", ":smile:"])
def test_the_name_of_a_folder_is_printed_unchanged(hvp, root, name):
    formats.write_format(root / name, "jsonl")
    typed = hvp("preprocess", f"./{name}", "--text-only")
    assert (typed.code, typed.fields("text-prepared")["folder"]) == (0, Path("data", name))
    assert f"data/{name}" in typed.out.replace("\n", "")
    assert typed.out.startswith(f"{name}: jsonl data of ")
