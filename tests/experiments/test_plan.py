from __future__ import annotations

from pathlib import Path

import pytest
from experiments import plans
from pydantic import ValidationError
from raising import raises

from hvpkit.config.loading import shipped_recipes
from hvpkit.errors import PlanError, did_you_mean
from hvpkit.experiments.expand import expand
from hvpkit.experiments.plan import load_plan, shipped_plans
from hvpkit.registry import load_registry

FOLDER = Path(__file__).parents[2] / "recipes" / "experiments"


def broken(tmp_path, mner_data, mre_data, more: str) -> PlanError:
    with raises(PlanError, "plan-invalid") as error:
        expand(load_plan(plans.write(tmp_path, mner_data, mre_data, more)), load_registry())
    return error.value


@pytest.mark.parametrize(
    ("more", "code", "fields"),
    [
        ("fractions: []\n", "plan-without-sizes", {}),
        ("reference: without\n", "system-not-in-plan", {"name": "without", "hint": did_you_mean("without", ["with"])}),
        (
            "transfers: [{from: people, to: paris}]\n",
            "dataset-not-in-plan",
            {"name": "paris", "hint": did_you_mean("paris", ["pairs"])},
        ),
        ("search: {space: {train.lr: {low: 2, high: 1}}}\n", "axis-invalid", {"key": "search.space.train.lr"}),
        (
            "search: {space: {train.lr: {low: 0, high: 1, log: true}}}\n",
            "axis-log-low",
            {"key": "search.space.train.lr"},
        ),
        ("transfers: [{from: people, to: pairs}]\nshots: [2]\n", "transfers-of-parts", {}),
        ("search: {space: {train.lr: [1, 2]}}\n", "search-with-others", {}),
        ("score_split: dev\ncontrols: [shuffled-images]\n", "dev-score-with-others", {}),
    ],
)
def test_conflicting_settings_are_reported_with_file_and_line(tmp_path, mner_data, mre_data, more, code, fields):
    [problem] = broken(tmp_path, mner_data, mre_data, more).problems
    assert problem.location == f"{tmp_path / 'plan.yaml'}:9"
    assert (problem.message.code, problem.message.fields) == (code, fields)


@pytest.mark.parametrize(
    ("more", "code", "fields"),
    [
        ("sedes: [1]\n", "unknown-key", {"key": "sedes", "hint": did_you_mean("sedes", ["seeds"])}),
        (
            "fractions: [0.5, 1.5]\n",
            "value-out-of-range",
            {"key": "fractions.1", "expected": "less than or equal to 1", "found": "1.5"},
        ),
        ("controls: [mirrored]\n", "unknown-choice", {"key": "controls.0", "found": "'mirrored'"}),
        (
            "transfers: [{fron: people, to: pairs}]\n",
            "unknown-key",
            {"key": "transfers.0.fron", "hint": did_you_mean("fron", ["from"])},
        ),
        ("seeds: [3]\n", "repeated-key", {"key": "seeds", "line": 8}),
    ],
)
def test_invalid_plan_is_reported_with_file_and_line(tmp_path, mner_data, mre_data, more, code, fields):
    *_, problem = broken(tmp_path, mner_data, mre_data, more).problems
    assert (problem.location, problem.message.code) == (f"{tmp_path / 'plan.yaml'}:9", code)
    assert fields.items() <= problem.message.fields.items()


def test_unknown_grid_key_is_reported_for_each_run(tmp_path, mner_data, mre_data):
    override = "train.lrr=1.0e-05"
    found = [
        problem.message for problem in broken(tmp_path, mner_data, mre_data, "grid: {train.lrr: [1.0e-5]}\n").problems
    ]
    runs = [(message.code, message.fields["system"], message.fields["dataset"]) for message in found]
    assert runs == [("run-invalid", *run) for run in (("with", "people"), ("with", "pairs"), ("alone", "people"))]
    for message in found:
        [unknown] = message.fields["reason"].fields["problems"]
        assert (unknown.location, unknown.message.code) == (f"--set {override}", "unknown-key")
        assert unknown.message.fields == {"key": "train.lrr", "hint": did_you_mean("lrr", ["lr"])}


def test_all_problems_are_reported_at_once(tmp_path, mner_data, mre_data):
    problems = broken(tmp_path, mner_data, mre_data, "sedes: [1]\nfractions: [2.0]\n").problems
    assert {problem.location for problem in problems} == {f"{tmp_path / 'plan.yaml'}:{line}" for line in (9, 10)}


def test_overrides_win_and_are_named_in_messages(tmp_path, mner_data, mre_data):
    file = plans.write(tmp_path, mner_data, mre_data)
    assert load_plan(file, ["seeds=[5]", "systems.alone.optional=true"]).seeds == [5]
    with raises(PlanError, "plan-invalid") as error:
        load_plan(file, ["seeds=[]"])
    [problem] = error.value.problems
    assert (problem.location, problem.message.code) == ("--set seeds=[]", "value-too-short")
    assert problem.message.fields == {"key": "seeds", "minimum": 1, "found": "[]"}


def test_an_unknown_plan_is_refused_with_the_nearest(tmp_path):
    with raises(PlanError, "plan-not-found", file="tabel1", hint=did_you_mean("tabel1", ["table1"])):
        load_plan("tabel1")
    with raises(PlanError, "plan-is-folder", file=tmp_path):
        load_plan(tmp_path)


def test_repeated_name_is_refused(tmp_path, mner_data, mre_data):
    with pytest.raises(ValidationError):
        plans.plan(datasets=["people", "people"])
    with raises(PlanError, "plan-invalid") as error:
        load_plan(plans.write(tmp_path, mner_data, mre_data), ["datasets=[people, people]"])
    [problem] = error.value.problems
    assert (problem.message.code, problem.message.fields) == ("name-repeated", {"name": "people", "count": 2})


def test_shipped_plans_are_listed_and_have_a_header():
    assert sorted(shipped_plans().values()) == sorted(FOLDER.rglob("*.yaml"))
    for name, file in shipped_plans().items():
        header = [line for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
        assert any(f"hvp experiment {name}" in line for line in header), file


@pytest.mark.parametrize("name", shipped_plans())
def test_a_shipped_plan_expands_from_recipes_that_are_there(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = load_plan(name)
    assert expand(plan, load_registry()).runs
    wanted = {recipe for system in plan.systems.values() if not system.optional for recipe in system.recipes}
    assert wanted <= set(shipped_recipes())


def test_table_1_is_the_published_systems_that_have_recipes_on_three_datasets_with_five_seeds(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = load_plan("table1")
    runs = [run for run in expand(plan, load_registry()).runs if not run.is_control]
    assert {run.dataset for run in runs} == {"twitter2015", "twitter2017", "mnre"} and len(
        {run.seed for run in runs}
    ) == 5
    hvpnet = [run for run in runs if run.system == "HVPNeT"]
    assert len(hvpnet) == 15 and all(run.control for run in hvpnet)
