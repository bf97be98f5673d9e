from __future__ import annotations

import json

import pytest

from hvpkit.messages import Message


@pytest.fixture(scope="module")
def controlled(load):
    return load("controlled")


def test_every_run_has_a_name_of_its_own(controlled):
    names = [job.name for job in controlled.jobs(range(1, 3))]
    others = controlled.PLUGINS | controlled.TEXT_PLUGINS
    assert len(names) == len(set(names)) == 2 * (2 * 6 + sum(map(len, others.values())) + 4 * 2 * 2)
    assert "mre.hvpnet.transferred.seed2" in names and "mner.text.5%.seed1" in names


@pytest.mark.parametrize(
    ("points", "floor", "verdict"),
    [
        ([3.0, 4.0, 5.0], 0.0, "yes"),
        ([-3.0, -4.0, -5.0], 0.0, "no"),
        ([-1.0, 1.5, -1.2], 0.0, "unclear"),
        ([-1.0, -1.1, -0.9], -2.0, "yes"),
        ([0.5], 0.0, "yes (one seed)"),
        ([-0.5], 0.0, "no (one seed)"),
    ],
)
def test_a_claim_holds_above_its_floor_beyond_two_standard_errors(controlled, points, floor, verdict):
    assert controlled.Comparison(1, "mner", "all", points, floor).holds == verdict


def scores(f1):
    group = {"examples": 4, "gold": 4, "text_upper_bound": 0.6, "f1": f1, "image_upper_bound": 0.8}
    groups = dict.fromkeys(("all", "texture", "shape", "small", "scene", "none"), group)
    return {
        "groups": groups,
        "uninformative": {share: group for share in ("0", "25", "50", "75", "100")},
        "gates": {"none": [[0.25, 0.75]]},
    }


@pytest.fixture
def bench(controlled, tmp_path):
    """Finished runs: text and HVPNeT of two seeds, Flat of the first."""
    bench = controlled.Bench(tmp_path / "work", 96, 1)
    (tmp_path / "work" / "results").mkdir(parents=True)
    for system, seed, f1 in (
        ("text", 1, 0.5),
        ("text", 2, 0.6),
        ("hvpnet", 1, 0.7),
        ("hvpnet", 2, 0.75),
        ("flat", 1, 0.65),
    ):
        bench.result(controlled.Job("mner", system, seed)).write_text(json.dumps(scores(f1)))
    return bench


def results(controlled, bench):
    return controlled.Results(controlled.finished_runs(bench, range(1, 4), bench.work / "controlled.json"), range(1, 4))


def test_runs_are_compared_seed_by_seed_and_only_where_both_are_there(controlled, bench):
    rows = {(row.claim, row.what): row.points for row in results(controlled, bench).comparisons()}
    assert rows[1, "all"] == pytest.approx([20.0, 15.0])
    assert rows[2, "100% uninformative"] == pytest.approx([20.0, 15.0])
    assert rows[3, "hvpnet minus flat"] == pytest.approx([5.0])
    assert not {what for claim, what in rows if claim in (4, 5, 6)}


def test_the_gap_closed_is_a_percentage_of_that_between_the_upper_bounds(controlled, bench):
    assert results(controlled, bench).closed("mner") == pytest.approx([50.0, 75.0])


def test_the_report_lists_what_was_run_and_what_was_not(controlled, bench, tmp_path):
    out = tmp_path / "out"
    section = controlled.report(bench, range(1, 4), out)
    assert (
        Message("controlled-finished", finished=5, runs=len(list(controlled.jobs(range(1, 4)))), seeds=[1, 2])
        in section
    )
    scored = {"text": "55.0 ± 7.1", "flat": "65.0", "hvpnet": "72.5 ± 3.5"}
    columns = " | ".join(scored.get(column, "-") for column in controlled.COLUMNS)
    assert f"| mner | 60.0 | {columns} | 80.0 | 62.5 ± 17.7% |" in section
    assert section.splitlines().count(Message("controlled-not-run")) == 3
    assert "| none | 0.25 | 0.75 |" in section
    document = json.loads((out / "controlled.json").read_text())
    assert document["runs"]["mner.flat.seed1"]["groups"]["all"]["f1"] == 0.65
    assert section.strip() in (out / "results" / "controlled.md").read_text()


def test_runs_are_one_line_each_and_read_back_rounded(controlled, bench, tmp_path):
    runs = {"mner.text.seed1": {"f1": 0.12345678, "gates": [[0.5, 1]], "seconds": 3}, "mner.text.seed9": {"f1": 1.0}}
    file = tmp_path / "controlled.json"
    controlled.write_runs(file, bench, runs)
    assert len(file.read_text().splitlines()) == len(runs) + 2
    assert controlled.read_runs(file, bench) == runs | {
        "mner.text.seed1": {"f1": 0.123457, "gates": [[0.5, 1]], "seconds": 3}
    }
    assert controlled.read_runs(file, controlled.Bench(bench.work, bench.size, None)) == {}


def test_a_report_keeps_stored_runs_and_replaces_those_of_the_work_folder(controlled, bench, tmp_path):
    stored = {"mner.text.seed1": scores(0.1), "mner.text.seed3": scores(0.4), "mner.text.seed9": scores(0.2)}
    controlled.write_runs(tmp_path / "controlled.json", bench, stored)
    controlled.report(bench, range(1, 4), tmp_path)
    runs = controlled.read_runs(tmp_path / "controlled.json", bench)
    assert len(runs) == 7
    assert [runs[f"mner.text.seed{seed}"]["groups"]["all"]["f1"] for seed in (1, 2, 3, 9)] == [0.5, 0.6, 0.4, 0.2]


def test_all_systems_differ_from_the_recipe_in_what_they_are_named_for_alone(controlled, tmp_path):
    bench = controlled.Bench(tmp_path, 24, 2)
    recipes = {system: bench.recipe(controlled.Job("mner", system, 3)) for system in controlled.SYSTEMS}
    assert recipes["text"].vision is None and recipes["text"].fusion.name == "none"
    assert [recipes[system].fusion.gate.name for system in ("hvpnet", "flat", "1t3", "onlyobj")] == [
        "dynamic",
        "flat",
        "1t3",
        "dynamic",
    ]
    assert [recipes[system].vision.full_image for system in ("hvpnet", "flat", "1t3", "onlyobj")] == [
        True,
        True,
        True,
        False,
    ]
    assert {recipe.train.seed for recipe in recipes.values()} == {3} and {
        recipe.train.epochs for recipe in recipes.values()
    } == {2}


@pytest.mark.parametrize("task", ["mner", "mre"])
def test_plugins_use_the_same_images_and_compose(controlled, tmp_path, task):
    from hvpkit.config.compatibility import compatibility_problems
    from hvpkit.registry import load_registry

    bench = controlled.Bench(tmp_path, 24, 2)
    full = bench.recipe(controlled.Job(task, "hvpnet", 3))
    for system in (system for system, tasks in controlled.PLUGINS.items() if task in tasks):
        recipe = bench.recipe(controlled.Job(task, system, 3))
        assert recipe.vision == (None if system == "mtb" else full.vision)
        assert recipe.head.name == ("cls" if system in controlled.POOLED and task == "mre" else full.head.name)
        assert recipe.text.options == full.text.options
        assert recipe.train.model_copy(update={"lr": full.train.lr}) == full.train  # but for the rate
        assert recipe.fusion.name == {("mega", "mner"): "mega-words"}.get((system, task), system)
        assert compatibility_problems(recipe, load_registry()) == []


def test_systems_without_pretraining_are_trained_by_their_own_recipes(controlled, tmp_path):
    bench = controlled.Bench(tmp_path, 24, 1)
    for system, tasks in controlled.TEXT_PLUGINS.items():
        for job in (controlled.Job(task, system, 3) for task in tasks):
            recipe = bench.recipe(job)
            assert (recipe.text.name, recipe.train.seed, recipe.train.epochs) == (None, 3, 1)
            controlled.run(job, bench)
            assert "all" in json.loads(bench.result(job).read_text())["groups"]


def test_a_run_is_trained_once_measured_and_can_start_another_task(controlled, tmp_path):
    bench = controlled.Bench(tmp_path, 24, 1)
    job = controlled.Job("mre", "hvpnet", 1, start=controlled.Job("mner", "hvpnet", 1))
    controlled.run(job, bench)
    started = json.loads(bench.result(job.start).read_text())
    assert set(started["uninformative"]) == {"0", "25", "50", "75", "100"}
    assert all(sum(layer) == pytest.approx(1) for layers in started["gates"].values() for layer in layers)
    assert set(json.loads(bench.result(job).read_text())["groups"]) >= {"all", "ambiguous", "unambiguous"}
    before = bench.result(job).stat().st_mtime_ns
    controlled.run(job, bench)
    assert bench.result(job).stat().st_mtime_ns == before
