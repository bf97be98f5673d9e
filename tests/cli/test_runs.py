from __future__ import annotations

import json
import os
from pathlib import Path

import pytest


@pytest.fixture
def runs(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs"


def write_run(folder: Path, seconds: int, **changes: object) -> None:
    folder.mkdir(parents=True)
    (folder / "model.json").write_text("{}")
    scores = {"overall": {"f1": 0.5}}
    metrics = {"data": {"name": "tiny", "fingerprint": "ab"}, "encoder": "bert", "seed": 1, "best_epoch": 2}
    (folder / "metrics.json").write_text(json.dumps(metrics | {"dev": scores, "test": scores} | changes))
    os.utime(folder / "metrics.json", (seconds, seconds))


def test_runs_are_listed_with_scores_the_newest_first(hvp, runs):
    write_run(runs / "old", 1_000)
    write_run(runs / "deep" / "new", 2_000, test=None)
    write_run(runs / "new.training" / ".hidden", 3_000)
    found = json.loads(hvp("runs", "--json").out)
    assert [(run["model"], run["dev_f1"], run["test_f1"]) for run in found] == [
        ("runs/deep/new", 0.5, None),
        ("runs/old", 0.5, 0.5),
    ]
    assert found[1]["written"] == "1970-01-01T00:16:40+00:00"
    header, new, old = (line.split("\t") for line in hvp("runs").out.splitlines())
    assert dict(zip(header, old, strict=True))["test F1"] == "50.00"
    assert dict(zip(header, new, strict=True))["test F1"] == "-"


@pytest.mark.parametrize("content", ["{", "[]", '{"data": 1}', "[" * 100_000])
def test_a_damaged_run_is_reported_and_skipped(hvp, runs, content):
    write_run(runs / "good", 1)
    write_run(runs / "bad", 2)
    (runs / "bad" / "metrics.json").write_text(content)
    typed = hvp("runs", "--json")
    assert [run["model"] for run in json.loads(typed.out)] == ["runs/good"]
    assert typed.warnings == ["run-unreadable"] and typed.fields("run-unreadable")["folder"] == Path("runs/bad")


def test_a_missing_folder_is_an_error(hvp, runs):
    typed = hvp("runs", "nowhere")
    assert (typed.code, typed.errors) == (2, ["runs-folder-missing"])


def test_a_real_model_is_listed(hvp, runs, mner_model):
    runs.mkdir()
    (runs / "first").symlink_to(mner_model)
    [run] = json.loads(hvp("runs", str(mner_model.parent), "--json").out)
    assert run["fingerprint"] == json.loads((mner_model / "metrics.json").read_text())["data"]["fingerprint"]
