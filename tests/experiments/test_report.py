from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest
from experiments import plans

from hvpkit.experiments.published_scores import compare_conditions, find_published, load_published
from hvpkit.experiments.report import ExperimentReport
from hvpkit.experiments.results import DataInfo, Header, RunScore
from hvpkit.experiments.tables import Cell, Table, as_csv, latex, mark_best, markdown
from hvpkit.experiments.write_report import write_report

GOOD, POOR = [(1, 1, 1)] * 8 + [(0, 1, 1)] * 2, [(1, 1, 1)] * 5 + [(0, 1, 1)] * 5


def report(results, **fields) -> ExperimentReport:
    plan = plans.plan(**fields)
    return ExperimentReport(
        Header(plan, tuple(result.run.name for result in results)), {result.run.name: result for result in results}
    )


def texts(table: Table) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.rows]


def table(made: ExperimentReport, name: str) -> Table:
    return next(table for table in made.tables() if table.name == name)


@pytest.fixture
def two_systems() -> ExperimentReport:
    controls = [plans.result(plans.planned("a", seed, name=f"control{seed}", is_control=True), POOR) for seed in (1, 2)]
    shuffled = RunScore(precision=0.6, recall=0.6, f1=0.6)
    good = [
        plans.result(plans.planned("a", seed, control=f"control{seed}"), GOOD[seed:] + GOOD[:seed], shuffled=shuffled)
        for seed in (1, 2)
    ]
    poor = [plans.result(plans.planned("b", seed), POOR) for seed in (1, 2)]
    return report([*controls, *good, *poor], controls=["text-only", "shuffled-images"], reference="b")


def test_score_table_has_controls_and_the_best_in_bold(two_systems):
    found = table(two_systems, "scores")
    assert found.columns == ("system", *(f"people {what}" for what in ("P", "R", "F1", "text-only F1", "shuffled F1")))
    assert texts(found) == [
        ["a", "80.00±0.00", "80.00±0.00", "80.00±0.00", "50.00±0.00", "60.00±0.00"],
        ["b", "50.00±0.00", "50.00±0.00", "50.00±0.00", "-", "-"],
    ]
    assert [[cell.bold for cell in row] for row in found.rows] == [[False, True, True, True, False, False], [False] * 6]


def test_note_of_runs_without_a_dev_split_names_the_last_epoch():
    data = DataInfo(name="people", fingerprint="f", examples={"dev": 0, "test": 9}, with_image={})
    without = report([plans.result(plans.planned("a", 1), GOOD, data=data), plans.result(plans.planned("a", 2), GOOD)])
    assert [note.code for note in without.notes()] == ["report-data", "report-last-epoch"]
    with_dev = report([plans.result(plans.planned("a", 1), GOOD)]).notes()
    assert [note.code for note in with_dev] == ["report-data", "report-best-epoch"]
    assert with_dev[0].fields == {"dataset": "people", "fingerprint": "f" * 16, "dev": 6, "test": 10}
    assert with_dev[1].fields == {"seeds": [1, 2], "encoders": ["small"]}


def test_no_control_is_the_best_one():
    runs = [
        plans.result(plans.planned(name, 1), kind, shuffled=RunScore(precision=f1, recall=f1, f1=f1))
        for name, kind, f1 in (("a", GOOD, 0.6), ("b", POOR, 0.4))
    ]
    rows = table(report(runs, controls=["shuffled-images"]), "scores").rows
    assert [[cell.bold for cell in row] for row in rows] == [[False, True, True, True, False], [False] * 5]


def test_systems_are_compared_with_the_reference_and_with_their_controls(two_systems):
    rows = texts(table(two_systems, "differences"))
    assert [row[2:5] for row in rows] == [["a", "b", "+30.00"], ["a", rows[1][3], "+30.00"]]
    assert rows[1][3].code == "table-own-text-only"
    assert all(" to +" in row[5] and 0 < float(row[6]) < 0.2 for row in rows)


def test_seeds_that_differ_more_than_the_systems_are_warned_of():
    a = [plans.result(plans.planned("a", 1), GOOD), plans.result(plans.planned("a", 2), POOR)]
    b = [plans.result(plans.planned("b", seed), POOR) for seed in (1, 2)]
    (row,) = texts(table(report([*a, *b], reference="b"), "differences"))
    assert (row[-1].code, row[-1].fields) == ("difference-within-spread", {"spread": pytest.approx(21.21, abs=0.005)})
    assert texts(table(report([*a, *b]), "seeds"))[0][2:] == ["65.00±21.21", "-125.59 to 255.59", "1: 80.00, 2: 50.00"]


def test_fractions_are_rows_of_their_own_and_each_has_its_best():
    results = [
        plans.result(plans.planned(system, 1, fraction=fraction), found)
        for fraction in (0.5, 1.0)
        for system, found in (("a", GOOD if fraction == 1.0 else POOR), ("b", POOR if fraction == 1.0 else GOOD))
    ]
    found = table(report(results, fractions=[0.5, 1.0]), "scores")
    assert [(row[0].text, row[1].text, row[4].text, row[4].bold) for row in found.rows] == [
        ("a", "50%", "50.00", False),
        ("b", "50%", "80.00", True),
        ("a", "all", "80.00", True),
        ("b", "all", "50.00", False),
    ]


def test_transfer_table_has_signed_differences_and_published_scores():
    datasets = ["twitter2017", "mnre"]
    base = [plans.result(plans.planned("HVPNeT", seed, dataset=name), GOOD) for seed in (1, 2) for name in datasets]
    moved = [
        plans.result(plans.planned("HVPNeT", s, name=f"m{s}", dataset="mnre", source="twitter2017", start="x"), POOR)
        for s in (1, 2)
    ]
    made = report(
        [*base, *moved], systems={"HVPNeT": "r"}, datasets=datasets, transfers=[{"from": "twitter2017", "to": "mnre"}]
    )
    (row,) = texts(table(made, "transfers"))
    assert row == ["HVPNeT", "twitter2017 → mnre", "80.00±0.00", "50.00±0.00", "-30.00", "", "81.85 → 82.50 (+0.75)"]


def test_published_table_has_both_scores_and_the_conditions():
    run = plans.planned("HVPNeT", 1, dataset="twitter2017")
    data = DataInfo(
        name="twitter2017", fingerprint="edcc8b36a454ba25", examples={"dev": 723, "test": 723}, with_image={"test": 0}
    )
    ours = plans.result(run, GOOD, data=data)
    (row,) = texts(table(report([ours], systems={"HVPNeT": "r"}, datasets=["twitter2017"], seeds=[1]), "published"))
    assert row[5:9] == ["85.84", "87.93", "86.87", "-6.87"]
    found = compare_conditions("HVPNeT", ours)
    assert row[9] == "; ".join(found)
    assert [(condition.code, condition.fields) for condition in found] == [
        ("published-data-same", {"fingerprint": "edcc8b36a454ba25"}),
        ("published-encoder-other", {"used": "small", "published": "bert-base-uncased"}),
        ("published-images-other", {"used": "none", "published": "resnet50"}),
    ]


def test_unknown_conditions_of_a_published_system_are_reported():
    *_, images = compare_conditions(
        "AdapCoAtt-BERT-CRF", plans.result(plans.planned("a", 1, dataset="twitter2017"), GOOD)
    )
    assert (images.code, images.fields) == ("published-images-unknown", {"used": "none"})
    run = plans.planned("MTB", 1, dataset="mnre")
    data = DataInfo(name="mnre", fingerprint="f", examples={"dev": 1624, "test": 1614}, with_image={"test": 0})
    ours = plans.result(run, GOOD, data=data)
    (row,) = texts(table(report([ours], systems={"MTB": "r"}, datasets=["mnre"], seeds=[1]), "published"))
    of_data, encoder, _ = found = compare_conditions("MTB", ours)
    assert row[9] == "; ".join(found)
    assert (of_data.code, of_data.fields) == ("published-data-of-size", {"fingerprint": "f"})
    assert (encoder.code, encoder.fields) == ("published-encoder-unknown", {"used": "small"})


def test_a_backbone_without_weights_is_the_published_one_by_its_name():
    data = DataInfo(
        name="twitter2015", fingerprint="f", examples={"dev": 1000, "test": 3257}, with_image={"test": 3257}
    )
    run = plans.planned("OCSGA", 1, dataset="twitter2015")
    ours = plans.result(run, GOOD, data=data).model_copy(update={"backbone": "object-labels", "weights": "none"})
    *_, images = compare_conditions("OCSGA", ours)
    assert (images.code, images.fields) == ("published-images-same", {"published": "object-labels"})


def test_the_published_table_is_as_printed():
    assert (
        find_published("MEGA", "mnre").f1 == "66.41"
        and find_published("PCNN", "twitter2015") is None
        and find_published("mine", "mnre") is None
    )
    for system in load_published().table1:
        for dataset in ("twitter2015", "twitter2017", "mnre"):
            row = find_published(system, dataset)
            if row is not None:
                p, r, f1 = (float(value) for value in (row.precision, row.recall, row.f1))
                assert abs(2 * p * r / (p + r) - f1) < 0.6  # means over seeds: near, not equal


def test_runs_that_are_not_finished_are_named(two_systems):
    made = ExperimentReport(Header(two_systems.header.plan, (*two_systems.header.runs, "late")), two_systems.results)
    [unfinished] = [note for note in made.notes() if note.code == "report-unfinished"]
    assert unfinished.fields == {"missing": 1, "runs": 7, "names": ["late"], "more": ""}


def test_tables_are_written_for_every_reader():
    made = Table(
        "t",
        "50% & more",
        ("system", "F1"),
        [(Cell("a_b"), Cell("1.00±0.10", bold=True)), (Cell("a|c"), Cell("0.50"))],
        ["why"],
    )
    assert (
        "| a_b | **1.00±0.10** |" in markdown(made)
        and "| a\\|c | 0.50 |" in markdown(made)
        and markdown(made).endswith("\n- why\n")
    )
    assert (
        r"\caption{50\% \& more}" in latex(made)
        and r"\textasciitilde{}/x\textasciicircum{}2" in latex(replace(made, title="~/x^2"))
        and r"a\_b & \textbf{1.00$\pm$0.10} \\" in latex(made)
    )
    assert list(csv.reader(io.StringIO(as_csv(made)))) == [["system", "F1"], ["a_b", "1.00±0.10"], ["a|c", "0.50"]]


def test_all_equal_best_values_are_bold_and_a_single_value_is_not():
    rows = mark_best(
        [[Cell("a"), Cell("1.0")], [Cell("b"), Cell("1.0")], [Cell("c"), Cell("-")]],
        [[1.01], [1.04], [None]],
        "{:.1f}".format,
    )
    assert [row[1].bold for row in rows] == [True, True, False]
    assert not mark_best([[Cell("a"), Cell("1.0")]], [[1.0]], "{:.1f}".format)[0][1].bold


@pytest.mark.parametrize("fields", [{}, {"fractions": [0.5, 1.0]}, {"shots": [1, 4]}])
def test_a_report_is_files_of_every_kind(tmp_path, fields):
    shots, fractions = fields.get("shots", [None]), fields.get("fractions", [1.0])
    keys = [(seed, fraction, number) for seed in (1, 2) for fraction in fractions for number in shots]
    runs = [plans.planned("a", s, fraction=fraction, shots=k, name=f"a{s}{fraction}{k}") for s, fraction, k in keys]
    written = write_report(report([plans.result(run, GOOD) for run in runs], **fields), tmp_path)
    assert {file.name for file in written.files} >= {
        "report.md",
        "report.tex",
        "scores.csv",
        "runs.csv",
        "people.png",
        "people.pdf",
    }
    assert all(file.stat().st_size for file in written.files)
    assert (written.folder / "people.pdf").read_bytes().startswith(b"%PDF")
