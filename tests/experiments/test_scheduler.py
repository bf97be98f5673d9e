"""Real runs in processes of their own, tiny ones."""

from __future__ import annotations

import json
import logging
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import time
from logging.handlers import BufferingHandler

import pytest
from experiments import plans
from raising import raises

from hvpkit.errors import DataError, PlanError
from hvpkit.evaluation.evaluate import evaluate
from hvpkit.experiments.expand import expand
from hvpkit.experiments.plan import load_plan
from hvpkit.experiments.processes import Setup
from hvpkit.experiments.report import ExperimentReport
from hvpkit.experiments.results import read_results
from hvpkit.experiments.scheduler import execute
from hvpkit.messages import Message, log_to
from hvpkit.registry import load_registry
from hvpkit.saving.model_folder import open_model_folder

TEXT = """title: Tiny
systems:
  with: [{mner}, {mre}]
  broken: {{recipes: [{mner}], set: ["text={{encoder: hugging-face, name: /nowhere/bert}}", vision=null, fusion=none]}}
datasets:
  people: {{folder: {people}}}
  pairs: {{folder: {pairs}}}
seeds: [7]
transfers: [{{from: people, to: pairs}}]
controls: [shuffled-images]
"""


FEW = """title: Killed
systems:
  alone: {{recipes: [{mner}], set: [vision=null, fusion=none]}}
datasets:
  people: {{folder: {people}}}
seeds: [1, 2]
set: [train.epochs=3]
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory, mner_data, mre_data):
    folder = tmp_path_factory.mktemp("experiment")
    plan = load_plan(plans.write(folder, mner_data, mre_data, text=TEXT))
    handler = BufferingHandler(capacity=1000)
    with log_to(handler):
        failed = execute(plan, expand(plan, load_registry()), Setup(folder / "out", jobs=2))
    return plan, folder / "out", failed, [record.msg for record in handler.buffer if record.levelno == logging.WARNING]


def test_failed_run_is_reported_with_its_reason_and_others_continue(done):
    _, folder, failed, warned = done
    assert list(failed) == ["broken.people.seed7"]
    reason = failed["broken.people.seed7"]
    assert (reason.code, reason.fields["log"]) == ("run-error", folder / "logs" / "broken.people.seed7.log")
    cause = reason.fields["reason"]
    assert (cause.code, cause.fields["folder"]) == ("pretrained-folder-missing", "/nowhere/bert")
    assert [(note.code, note.fields) for note in warned] == [
        ("run-failed", {"run": "broken.people.seed7", "reason": reason})
    ]
    found = {result.run.name for result in read_results(folder)[1]}
    assert found == {"with.people.seed7", "with.pairs.seed7", "with.people-to-pairs.seed7"}
    assert ExperimentReport.from_folder(folder).missing == ["broken.people.seed7"]


def test_log_of_a_run_is_written_to_its_file(done):
    _, folder, _, _ = done
    lines = (folder / "logs" / "with.people.seed7.log").read_text(encoding="utf-8").splitlines()
    assert Message("resumed-without-checkpoint") in lines


def test_scores_equal_those_of_evaluate(done):
    _, folder, _, _ = done
    for result in read_results(folder)[1]:
        opened = open_model_folder(folder / "models" / result.run.name)
        for score, shuffle in ((result.test, None), (result.shuffled, 7)):
            overall = evaluate(opened, "test", shuffle=shuffle).scores.overall
            assert (score.precision, score.recall, score.f1) == (overall.precision, overall.recall, overall.f1)
        outcomes = result.outcomes
        f1 = 2 * sum(outcomes.correct) / max(1, sum(outcomes.predicted) + sum(outcomes.gold))
        assert f1 == pytest.approx(result.test.f1, abs=1e-12)


def test_transfer_is_initialized_from_the_other_datasets_model(done):
    _, folder, _, _ = done
    start = json.loads((folder / "models" / "with.people-to-pairs.seed7" / "metrics.json").read_text())["init_from"]
    assert start["model"] == str(folder / "models" / "with.people.seed7") and start["loaded"]["fusion"] > 0


def test_finished_runs_are_kept_as_they_are_and_failed_ones_tried_again(done, bars, logged):
    plan, folder, _, _ = done
    before = [result for result in read_results(folder)[1]]
    failed = execute(plan, expand(plan, load_registry()), Setup(folder))
    assert list(failed) == ["broken.people.seed7"] and not logged(logging.INFO)
    assert [(bar.description, bar.total, bar.done) for bar in bars] == [("runs", 4, 4)]
    assert read_results(folder)[1] == before


def test_two_commands_do_not_work_on_one_folder(done):
    from filelock import FileLock

    plan, folder, _, _ = done
    with FileLock(folder / ".lock"), raises(PlanError, "experiment-locked", folder=folder):
        execute(plan, expand(plan, load_registry()), Setup(folder))


def test_missing_data_is_reported_before_any_run(tmp_path, mner_data, mre_data, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = load_plan(plans.write(tmp_path, mner_data, mre_data), ["datasets=[twitter2015, twitter2017]", "seeds=[1]"])
    with raises(DataError, "dataset-unprepared", names=["twitter2015", "twitter2017"]) as error:
        execute(plan, expand(plan, load_registry()), Setup(tmp_path / "out"))
    commands = [shlex.split(command) for command in re.findall("`([^`]+)`", error.value.fields["commands"])]
    expected = [
        ["hvp", "preprocess", name, "--root", "DIR", "--output", f"data/{name}"]
        for name in ("twitter2015", "twitter2017")
    ]
    assert commands == expected
    assert not (tmp_path / "out").exists()


def start(plan, folder) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "hvpkit", "experiment", str(plan), "--output", str(folder), "--jobs", "2"]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )


def ended_well(process) -> None:
    _, messages_of_run = process.communicate(timeout=300)
    assert process.returncode == 0, messages_of_run


def file_contents(folder):
    return {(r.run.name, r.test.f1, r.dev.f1, str(r.outcomes), r.best_epoch) for r in read_results(folder)[1]}


def test_a_plan_killed_five_times_at_random_moments_ends_with_the_same_results(tmp_path, mner_data, mre_data):
    plan = plans.write(tmp_path, mner_data, mre_data, text=FEW)
    begun = time.monotonic()
    ended_well(start(plan, tmp_path / "whole"))
    seconds = time.monotonic() - begun
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    for _ in range(5):
        process = start(plan, tmp_path / "killed")
        try:
            process.communicate(timeout=chance.uniform(0.2, 0.6) * seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
    ended_well(start(plan, tmp_path / "killed"))
    assert file_contents(tmp_path / "killed") == file_contents(tmp_path / "whole"), f"seed {seed}"
    assert not list((tmp_path / "killed" / "models").glob("*.training"))
