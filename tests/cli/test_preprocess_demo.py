"""`hvp preprocess demo` as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hvpkit.data.prepared import open_prepared
from hvpkit.messages import Message


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_demo_data_is_written_where_recipes_read_it(hvp):
    typed = hvp("preprocess", "demo", "--size", "24")
    assert (typed.code, typed.err) == (0, "")
    assert typed.notes == ["data-prepared"]
    data = open_prepared(Path("data/demo"))
    assert typed.fields("data-prepared") == {"fingerprint": data.manifest.fingerprint, "folder": Path("data/demo")}
    assert (data.manifest.name, data.manifest.task) == ("demo", "mner")
    assert data.manifest.facts["upper_bounds"]["test"]["all"]["text"] < 1
    assert all(example.image.is_file() for example in data.examples("test"))


@pytest.mark.parametrize("named", [("demo", "--task", "mre"), ("demo-mre",), ("demo-mre", "--task", "mre")])
def test_each_task_has_a_demo_of_its_own(hvp, named):
    report = json.loads(hvp("preprocess", *named, "--size", "24", "--text-only", "--json").out)
    assert (report["name"], report["task"], report["folder"]) == ("demo-mre", "mre", "data/demo-mre")


def test_every_setting_reaches_the_data(hvp):
    given = {"size": 40, "seed": 5, "uninformative": 0.5, "test_uninformative": 1.0, "ambiguous": 0.25}
    typed = [part for name, value in given.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    assert hvp("preprocess", "demo", "--text-only", *typed).code == 0
    assert open_prepared(Path("data/demo")).manifest.facts["settings"] == {"task": "mner", **given}


@pytest.mark.parametrize(
    ("typed", "code", "fields"),
    [
        (("demo", "--size", "3"), "demo-too-small", {"size": 3, "what": "type", "minimum": 24}),
        (("demo", "--uninformative", "30"), "demo-fraction-invalid", {"option": "uninformative", "value": 30.0}),
        (("demo", "--root", "elsewhere"), "demo-reads-no-files", {"root": Path("elsewhere")}),
    ],
)
def test_invalid_options_are_refused_and_write_nothing(hvp, tmp_path, typed, code, fields):
    refused = hvp("preprocess", *typed)
    assert (refused.code, refused.out, refused.errors) == (2, "", [code])
    assert refused.fields(code) == fields
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("typed", "option"),
    [
        (("demo-mre", "--task", "mner"), "--task mner"),
        (("twitter2017", "--task", "mre"), "--task mre"),
        (("twitter2017", "--test-uninformative", "1"), "--test-uninformative"),
    ],
)
def test_options_of_the_demo_are_of_the_demo_alone(hvp, tmp_path, typed, option):
    refused = hvp("preprocess", *typed)
    assert (refused.code, refused.out, refused.errors) == (2, "", ["demo-option-elsewhere"])
    assert refused.fields("demo-option-elsewhere") == {"option": option, "data": typed[0]}
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_folder_with_other_files_is_refused(hvp, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    refused = hvp("preprocess", "demo", "--size", "24", "--output", "mine")
    assert (refused.code, refused.errors) == (2, ["output-holds-other-files"])
    assert refused.fields("output-holds-other-files") == {"folder": Path("mine"), "files": ["notes.txt"]}
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep"


def test_verbose_prints_debug_messages(hvp):
    verbose = hvp("-v", "preprocess", "demo", "--size", "24", "--text-only")
    located = verbose.fields("dataset-located")
    assert located == {"reader": "demo", "path": Path(), "folder": Path("data/demo")}
    assert Message("dataset-located", **located) in verbose.err
    plain = hvp("preprocess", "demo", "--size", "24", "--text-only")
    assert (plain.code, plain.err) == (0, "")
