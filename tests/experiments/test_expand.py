from __future__ import annotations

import pytest
from experiments import plans
from raising import raises

from hvpkit.config.loading import recipe_from_text, shipped_recipes
from hvpkit.errors import PlanError, did_you_mean
from hvpkit.experiments.expand import expand
from hvpkit.experiments.plan import load_plan
from hvpkit.messages import Message
from hvpkit.registry import load_registry


def runs_of(tmp_path, mner_data, mre_data, more="", text=plans.PLAN):
    return expand(load_plan(plans.write(tmp_path, mner_data, mre_data, more, text)), load_registry())


def test_a_system_runs_on_the_datasets_of_its_tasks_with_every_seed_and_fraction(tmp_path, mner_data, mre_data):
    runs = runs_of(tmp_path, mner_data, mre_data, "fractions: [0.5, 1.0]\nshots: [2]\n").runs
    assert len(runs) == 2 * (2 + 1) * 3  # seeds, (with on both, alone on one), parts
    assert len({run.name for run in runs}) == len(runs)
    for run in runs:
        recipe = recipe_from_text(run.recipe)
        assert (recipe.train.seed, recipe.train.fraction, recipe.train.shots) == (run.seed, run.fraction, run.shots)
        assert (recipe.vision is None) == (run.system == "alone")
        assert recipe.task == run.task == {"people": "mner", "pairs": "mre"}[run.dataset]


def test_a_grid_is_the_product_of_its_values(tmp_path, mner_data, mre_data):
    runs = runs_of(tmp_path, mner_data, mre_data, "grid: {train.lr: [1e-4, 2e-4], train.epochs: [1, 2]}\n").runs
    found = {(run.settings["train.lr"], run.settings["train.epochs"]) for run in runs}
    assert found == {("0.0001", "1"), ("0.0001", "2"), ("0.0002", "1"), ("0.0002", "2")}
    assert all(recipe_from_text(run.recipe).train.lr == float(run.settings["train.lr"]) for run in runs)


def test_controls_are_the_same_recipe_on_text_alone_and_equal_ones_are_run_once(tmp_path, mner_data, mre_data):
    found = {run.name: run for run in runs_of(tmp_path, mner_data, mre_data, "controls: [text-only]\n").runs}
    assert found["with.people.seed1"].control == "alone.people.seed1"
    control = found[found["with.pairs.seed1"].control]
    assert control.is_control and recipe_from_text(control.recipe) == recipe_from_text(
        found["with.pairs.seed1"].recipe, ["vision=null", "fusion=none"]
    )
    assert found["alone.people.seed1"].control is None and not found["alone.people.seed1"].is_control


def test_a_transfer_starts_from_the_run_of_the_other_dataset_and_the_same_seed(tmp_path, mner_data, mre_data):
    more = "transfers: [{from: people, to: pairs, set: [train.lr=1e-4]}]\n"
    found = {run.name: run for run in runs_of(tmp_path, mner_data, mre_data, more).runs}
    moved = found["with.people-to-pairs.seed2"]
    assert (moved.start, moved.source, moved.dataset) == ("with.people.seed2", "people", "pairs")
    assert recipe_from_text(moved.recipe).train.lr == 1e-4
    assert not any(name.startswith("alone.people-to-pairs") for name in found)


def test_system_that_is_not_installed_is_skipped_and_reported(tmp_path, mner_data, mre_data):
    file = plans.write(tmp_path, mner_data, mre_data, "")
    (tmp_path / "other.yaml").write_text(
        (tmp_path / "mner.yaml").read_text().replace("visual-prefix", "telepathy"), encoding="utf-8"
    )
    text = file.read_text().replace(
        "datasets:", "  far: other.yaml\n  soon: {recipes: [coming_mner], optional: true}\ndatasets:", 1
    )
    file.write_text(text, encoding="utf-8")
    found = expand(load_plan(file), load_registry())
    far, soon = found.skipped
    assert (far.code, far.fields["system"], far.fields["recipe"]) == ("system-not-installed", "far", "other.yaml")
    [needed] = far.fields["names"]
    assert (needed.code, needed.fields) == ("needed-component", {"kind": "fusion", "name": "telepathy"})
    assert (soon.code, soon.fields) == ("system-without-recipe", {"system": "soon", "recipe": "coming_mner"})
    assert {run.system for run in found.runs} == {"with", "alone"}


def refused(file, old, new) -> PlanError:
    """Change a plan, and give the error that comes of expanding it."""
    file.write_text(file.read_text().replace(old, new, 1), encoding="utf-8")
    with raises(PlanError, "plan-invalid") as error:
        expand(load_plan(file), load_registry())
    return error.value


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        (
            "pairs: {",
            "twitter2071: {}\n  pairs: {",
            7,
            (
                "dataset-unknown",
                {"name": "twitter2071", "hint": did_you_mean("twitter2071", ["twitter2017", "twitter2015"])},
            ),
        ),
        (
            "[mner.yaml, mre.yaml]",
            "[mner.yaml, mner.yaml]",
            3,
            ("recipes-of-one-task", {"system": "with", "task": "mner"}),
        ),
        ("seeds: [1, 2]", "seeds: [1, 1]", 8, ("run-repeated", {"run": "with.people.seed1"})),
        (
            "seeds: [1, 2]",
            "seeds: [1]\ngrid: {train.lr: [1e-3, 0.001]}",
            9,
            ("run-repeated", {"run": "with.people.train.lr=0.001.seed1"}),
        ),
        (
            "alone: {",
            "one two: {recipes: [mner.yaml], set: [train.lr=0.0003]}\n  one_two: mner.yaml\n  alone: {",
            2,
            ("run-names-collide", {"run": "one_two.people.seed1"}),
        ),
    ],
)
def test_invalid_runs_are_reported_with_line(tmp_path, mner_data, mre_data, old, new, line, message):
    file = plans.write(tmp_path, mner_data, mre_data)
    problem = refused(file, old, new).problems[0]
    code, fields = message
    assert (problem.location, problem.message.code) == (f"{file}:{line}", code)
    assert fields.items() <= problem.message.fields.items()


def test_unknown_recipe_is_reported_with_line_and_nearest_name(tmp_path, mner_data, mre_data):
    file = plans.write(tmp_path, mner_data, mre_data)
    [problem] = refused(file, "[mner.yaml, mre.yaml]", "[quickstrat, mre.yaml]").problems
    hint = did_you_mean("quickstrat", shipped_recipes())
    assert "quickstart" in hint
    assert (problem.location, problem.message.code) == (f"{file}:3", "recipe-missing")
    assert problem.message.fields == {"file": "quickstrat", "hint": hint}


def test_recipe_of_an_override_is_reported_with_its_source(tmp_path, mner_data, mre_data):
    override = "systems.with.recipes=[nowhere.yaml]"
    plan = load_plan(plans.write(tmp_path, mner_data, mre_data), [override])
    with raises(PlanError, "plan-invalid") as error:
        expand(plan, load_registry())
    [problem] = error.value.problems
    assert (problem.location, problem.message.code) == (f"--set {override}", "recipe-missing")
    assert problem.message.fields["file"] == "nowhere.yaml"


def test_a_plan_that_makes_no_run_is_refused(tmp_path, mner_data, mre_data):
    file = plans.write(tmp_path, mner_data, mre_data)
    plan = load_plan(file, ["systems={only: [mre.yaml]}", f"datasets={{people: {{folder: '{mner_data.folder}'}}}}"])
    with raises(PlanError, "plan-invalid") as error:
        expand(plan, load_registry())
    assert [problem.message for problem in error.value.problems] == [Message("plan-without-recipes", tasks="mner")]


def test_invalid_search_settings_are_reported_before_running(tmp_path, mner_data, mre_data):
    override = "train.lrr=1"
    file = plans.write(tmp_path, mner_data, mre_data, "search: {space: {train.lrr: [1, 2]}}\n")
    plan = load_plan(file, ["seeds=[1]"])
    with raises(PlanError, "plan-invalid") as error:
        expand(plan, load_registry())
    [problem] = error.value.problems
    assert (problem.location, problem.message.code) == (f"{file}:9", "recipe-invalid")
    [unknown] = problem.message.fields["problems"]
    assert (unknown.location, unknown.message.code) == (f"--set {override}", "unknown-key")
    assert unknown.message.fields == {"key": "train.lrr", "hint": did_you_mean("lrr", ["lr"])}
