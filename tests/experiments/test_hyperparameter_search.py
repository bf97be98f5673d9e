from __future__ import annotations

import logging
from pathlib import Path

import pytest
from experiments import plans
from raising import raises

from hvpkit.experiments.expand import expand
from hvpkit.experiments.plan import load_plan
from hvpkit.experiments.processes import Processes, Setup, Shutdown
from hvpkit.experiments.report import ExperimentReport
from hvpkit.experiments.results import RunScore, read_results
from hvpkit.experiments.scheduler import execute
from hvpkit.registry import load_registry

SEARCH = """title: Search
systems:
  alone: {{recipes: [{mner}], set: [vision=null, fusion=none]}}
datasets:
  people: {{folder: {people}}}
seeds: [3]
search:
  trials: 12
  space:
    train.lr: {{low: 1e-5, high: 1e-2, log: true}}
    train.batch_size: [2, 4]
"""


@pytest.fixture
def plan(tmp_path, mner_data, mre_data):
    return load_plan(plans.write(tmp_path, mner_data, mre_data, text=SEARCH))


@pytest.fixture
def tried(monkeypatch, mner_data):
    """Stand for the processes: dev F1 follows from the rate, and rises over three epochs."""
    names: list[str] = []

    def result(self, run, plan, on_epoch=None):
        names.append(run.name)
        rate = float(run.settings["train.lr"])
        for epoch in (1, 2, 3):
            f1 = rate * 50 * (1 + epoch / 10)
            if not on_epoch({"epoch": epoch, "epochs": 3, "dev": f1, "seconds": 1.0}):
                from hvpkit.experiments.processes import RunInterrupted

                raise RunInterrupted
        done = plans.result(run, [(1, 1, 1)], dev=RunScore(precision=f1, recall=f1, f1=f1), test=None, outcomes=None)
        return done.model_copy(
            update={"data": done.data.model_copy(update={"fingerprint": mner_data.manifest.fingerprint})}
        )

    monkeypatch.setattr(Processes, "result", result)
    return names


def go(plan, folder: Path) -> list:
    assert execute(plan, expand(plan, load_registry()), Setup(folder)) == {}
    return read_results(folder)[1]


def test_a_search_finds_better_settings_and_stops_poor_trials_early(plan, tried, tmp_path):
    results = go(plan, tmp_path / "out")
    assert len(results) == 12
    pruned = [result for result in results if result.trial.pruned]
    best = max((result for result in results if result.dev), key=lambda result: result.dev.f1)
    assert pruned and all(len(result.trial.epochs) < 3 for result in pruned)
    assert best.trial.settings["train.lr"] == max(result.trial.settings["train.lr"] for result in results)
    (table, _) = ExperimentReport.from_folder(tmp_path / "out").tables()
    assert table.rows[0][-1].bold and table.rows[0][2].text == str(best.trial.number)
    assert table.rows[-1][-1].text.code == "table-pruned"


def test_interrupted_search_continues_with_the_same_trials(plan, tried, tmp_path, bars):
    whole = go(plan, tmp_path / "whole")
    go(plan, tmp_path / "cut")
    file = tmp_path / "cut" / "results.jsonl"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:6]))
    tried.clear()
    assert go(plan, tmp_path / "cut") == whole
    assert tried == [result.run.name for result in whole[5:]]
    assert [(bar.description, bar.total, bar.done) for bar in bars] == [("runs", 12, 12)] * 3


def test_trials_that_are_not_done_because_all_ends_have_not_failed(plan, tmp_path, monkeypatch, logged):
    begun = []
    original = Processes.result

    def result(self, run, plan, on_epoch=None):
        begun.append(run.name)
        self.kill()  # as Ctrl-C does
        return original(self, run, plan, on_epoch)

    monkeypatch.setattr(Processes, "result", result)
    with pytest.raises(Shutdown):
        execute(plan, expand(plan, load_registry()), Setup(tmp_path / "out"))
    assert (len(begun), logged(logging.WARNING)) == (1, [])


def test_without_optuna_the_extra_is_named(plan, tmp_path, monkeypatch):
    from hvpkit.errors import InputError

    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with raises(InputError, "search-needs-optuna"):
        execute(plan, expand(plan, load_registry()), Setup(tmp_path / "out"))
