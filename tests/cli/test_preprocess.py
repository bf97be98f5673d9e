"""`hvp preprocess` as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

TWEETS = "IMGID:1\nAnn\tB-PER\nsings\tI-LOC\n\nIMGID:2\nbroken line\n\n"


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "twitter2017" / "images").mkdir(parents=True)
    (tmp_path / "twitter2017" / "train.txt").write_text(TWEETS)
    Image.new("RGB", (8, 8)).save(tmp_path / "twitter2017" / "images" / "1.jpg")
    return tmp_path


def test_the_table_tells_what_was_found_and_what_was_wrong(hvp):
    typed = hvp("preprocess", "twitter2017")
    assert (typed.code, typed.err) == (0, "")
    rows = {cells[0].strip(): cells[1].strip() for line in typed.out.splitlines() if len(cells := line.strip("│┃").split("│")) > 1}
    assert (
        rows["examples"]
        == rows["PER"]
        == rows["LOC"]
        == rows["pictures found"]
        == rows["tags repaired"]
        == rows["examples left out"]
        == "1"
    )
    assert rows["words"] == "2"
    assert "line-without-tab" in rows
    assert "train.txt:6: expected word<TAB>tag, got 'broken line'" in typed.out
    assert "There is no dev and no test split." in typed.out
    assert "in data/twitter2017" in typed.out


def test_json_is_one_document(hvp):
    typed = hvp("preprocess", "twitter2017", "--json", "--output", "there")
    report = json.loads(typed.out)
    assert (typed.code, typed.err, report["folder"], report["text_only"]) == (0, "", "there", False)
    assert report["splits"]["train"]["labels"] == {"PER": 1, "LOC": 1, "ORG": 0, "MISC": 0}
    assert report["fingerprint"] == json.loads(Path("there/manifest.json").read_text())["fingerprint"]


def test_text_only_shows_no_pictures(hvp, root):
    (root / "twitter2017" / "images" / "1.jpg").unlink()
    assert hvp("preprocess", "twitter2017").code == 2
    typed = hvp("preprocess", "twitter2017", "--text-only")
    assert typed.code == 0
    assert "pictures" not in typed.out
    assert "text only" in typed.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("twitter2017", "--root", "nowhere"), "no folder"),
        (("mnre",), "no text files of mnre"),
        (("twiter2017",), "did you mean twitter2017"),
        (("./none.jsonl",), "no file or folder"),
        (("twitter2017", "--output", "twitter2017"), "holds other files"),
    ],
)
def test_what_cannot_be_prepared_is_refused_in_one_message(hvp, root, words, message):
    typed = hvp("preprocess", *words)
    assert (typed.code, typed.out) == (2, "")
    assert message in typed.err
    assert "Traceback" not in typed.err
    assert sorted(path.name for path in root.iterdir()) == ["twitter2017"]


PLUGIN = '''
from hvpkit.data.labels import tag_labels
from hvpkit.data.reading import Dataset
from hvpkit.hookspecs import hookimpl
from hvpkit.types import Example

def mine(context):
    """Two words."""
    return Dataset(tag_labels(), {"dev": [Example("a", ("Ann", "sings"), ("B-PER", "O"))]}, None, "a plugin")

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
    assert "hvp preprocess twitter2017 --root" in typed.out
