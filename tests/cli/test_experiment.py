from __future__ import annotations

import json

import pytest
from experiments import plans

from hvpkit.experiments.results import Header, ResultsFile
from hvpkit.messages import Message


@pytest.fixture
def plan(tmp_path, mner_data, mre_data):
    return plans.write(tmp_path, mner_data, mre_data, "controls: [text-only]\n")


def test_a_dry_run_shows_the_runs_and_how_long_they_take_and_does_nothing(hvp, plan, tmp_path):
    typed = hvp("experiment", str(plan), "--output", str(tmp_path / "out"), "--dry-run", "--json")
    assert (typed.code, typed.err) == (0, "")
    printed = json.loads(typed.out)
    assert len(printed["runs"]) == printed["estimate"]["runs"] == printed["estimate"]["remaining"] == 8
    assert printed["estimate"]["seconds"] > 0
    assert not (tmp_path / "out").exists()
    typed = hvp("experiment", str(plan), "--dry-run")
    estimate = typed.fields("runs-estimated")
    assert (estimate["runs"], estimate["duration"], estimate["basis"].code) == (8, "64 s", "estimate-assumed")
    assert estimate["basis"] == printed["estimate"]["basis"]
    assert (typed.notes, typed.err) == (["runs-estimated"], "")


def test_finished_runs_give_the_rate_of_the_rest(hvp, plan, tmp_path, mner_data):
    from hvpkit.experiments.expand import expand
    from hvpkit.experiments.plan import load_plan
    from hvpkit.registry import load_registry

    loaded = load_plan(plan)
    runs = expand(loaded, load_registry()).runs
    (tmp_path / "out").mkdir()
    file = ResultsFile(tmp_path / "out", Header(loaded, tuple(run.name for run in runs)), [])
    done = plans.result(runs[0], [(1, 1, 1)], seconds=120.0)  # 12 examples, one epoch
    file.add(
        done.model_copy(update={"data": done.data.model_copy(update={"fingerprint": mner_data.manifest.fingerprint})})
    )
    printed = json.loads(hvp("experiment", str(plan), "--output", str(tmp_path / "out"), "--dry-run", "--json").out)[
        "estimate"
    ]
    basis = Message("estimate-measured", runs=1)
    assert (printed["remaining"], printed["basis"]) == (7, basis)
    assert printed["seconds"] == pytest.approx(7 * (8 + 120))
    typed = hvp("experiment", str(plan), "--output", str(tmp_path / "out"), "--dry-run")
    assert typed.notes == ["remaining-runs-estimated"]
    assert typed.fields("remaining-runs-estimated") == {"runs": 8, "finished": 1, "duration": "15 min", "basis": basis}


def test_dry_run_reports_the_errors_of_the_run(hvp, plan, tmp_path, mner_data):
    from hvpkit.experiments.expand import expand
    from hvpkit.experiments.plan import load_plan
    from hvpkit.registry import load_registry

    loaded = load_plan(plan)
    runs = expand(loaded, load_registry()).runs
    (tmp_path / "out").mkdir()
    ResultsFile(tmp_path / "out", Header(loaded, tuple(run.name for run in runs)), []).add(
        plans.result(runs[0], [(1, 1, 1)])
    )
    typed = hvp("experiment", str(plan), "--output", str(tmp_path / "out"), "--dry-run")
    assert (typed.code, typed.out) == (2, "")
    assert typed.errors == ["run-mismatch"]
    fields = typed.fields("run-mismatch")
    assert (fields["folder"], fields["run"], [difference.fields["key"] for difference in fields["differences"]]) == (
        tmp_path / "out",
        runs[0].name,
        ["data"],
    )


def test_report_needs_only_results(hvp, tmp_path):
    runs = [plans.planned(system, seed) for system in "ab" for seed in (1, 2)]
    file = ResultsFile(tmp_path, Header(plans.plan(), tuple(run.name for run in runs)), [])
    for run in runs:
        file.add(plans.result(run, [(1, 1, 1), (run.seed % 2, 1, 1)]))
    typed = hvp("experiment", "--report", str(tmp_path))
    assert (typed.code, typed.err) == (0, "")
    assert "75.00±35.36" in typed.out
    assert typed.fields("report-written") == {"folder": tmp_path / "report"}
    assert {
        table["name"] for table in json.loads(hvp("experiment", "--report", str(tmp_path), "--json").out)["tables"]
    } >= {
        "scores",
        "runs",
    }
    assert (tmp_path / "report" / "report.md").is_file()


@pytest.mark.parametrize("words", [[], ["quick", "--report", "x"]])
def test_exactly_one_of_plan_and_report_is_required(hvp, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    typed = hvp("experiment", *words)
    assert (typed.code, typed.out, typed.errors) == (2, "", ["plan-or-report"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "code", "name", "value"),
    [
        (["tabel1"], "plan-not-found", "hint", "table1"),
        (["--report", "nowhere"], "results-missing", "folder", "nowhere"),
    ],
)
def test_missing_inputs_are_reported_with_exit_code_2(hvp, tmp_path, monkeypatch, words, code, name, value):
    monkeypatch.chdir(tmp_path)
    typed = hvp("experiment", *words)
    assert (typed.code, typed.out, typed.errors) == (2, "", [code])
    assert value in str(typed.fields(code)[name])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("setting", "location", "code", "name", "value"),
    [
        ("seeds=[]", "--set seeds=[]", "value-too-short", "key", "seeds"),
        ("systems=[no_such]", "recipes/experiments/quick.yaml:", "system-not-in-plan", "hint", "no_such"),
    ],
)
def test_invalid_plan_is_reported_with_exit_code_2(hvp, tmp_path, monkeypatch, setting, location, code, name, value):
    monkeypatch.chdir(tmp_path)
    typed = hvp("experiment", "quick", "--set", setting)
    assert (typed.code, typed.out, typed.errors) == (2, "", ["plan-invalid"])
    [problem] = typed.fields("plan-invalid")["problems"]
    assert location in problem.location
    assert problem.message.code == code
    assert value in str(problem.message.fields[name])
    assert not list(tmp_path.iterdir())
