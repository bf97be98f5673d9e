"""`hvp preprocess` as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

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
    rows = {
        cells[0].strip(): cells[1].strip()
        for line in typed.out.splitlines()
        if len(cells := line.strip("│┃").split("│")) > 1
    }
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
from hvpkit.data.readers.base import DatasetSplits
from hvpkit.hookspecs import hookimpl
from hvpkit.types import Example

def mine(context):
    """Two words."""
    return DatasetSplits(tag_labels(), {"dev": [Example("a", ("Ann", "sings"), ("B-PER", "O"))]}, None, "a plugin")

@hookimpl
def register_readers(register):
    register("mine", mine)
'''


def test_a_plugins_reader_is_prepared_by_its_name(hvp, root):
    (root / "mine.py").write_text(PLUGIN)
    typed = hvp("preprocess", "mine", "--plugin", "mine.py", "--json")
    assert (typed.code, json.loads(typed.out)["splits"]["dev"]["words"]) == (0, 2)


def test_help_has_an_example(hvp):
    typed = hvp("preprocess", "--help")
    assert "hvp preprocess" in typed.out and "--root" in typed.out
