"""`hvp experiment`: a plan to a paper's tables."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hvpkit.cli import output
from hvpkit.errors import InputError
from hvpkit.messages import Message
from hvpkit.registry import load_registry

if TYPE_CHECKING:
    from hvpkit.experiments.expand import Expansion
    from hvpkit.experiments.plan import Plan
    from hvpkit.experiments.report import ExperimentReport
    from hvpkit.experiments.time_estimates import TimeEstimate
    from hvpkit.experiments.write_report import WrittenReport

log = logging.getLogger(__name__)


def command(
    plan: Annotated[str | None, typer.Argument(help="A plan file, or the name of a shipped plan.", show_default=False)] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a setting of the plan.")] = None,
    folder: Annotated[Path | None, typer.Option("--output", help="Where runs and results go (experiments/<plan>).")] = None,
    jobs: Annotated[int, typer.Option(metavar="N", min=1, help="Runs at a time; they share the cores.")] = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Run nothing: show the runs and how long they will take.")] = False,
    report: Annotated[Path | None, typer.Option(metavar="DIR", help="Run nothing: draw tables and charts of a folder's results.")] = None,
    plugins: Annotated[list[Path] | None, typer.Option("--plugin", metavar="FILE", help="Load a plugin file.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Run a plan of many trainings, going on where it stopped, and write a paper's tables and charts.

    Example: `hvp experiment table1 --set datasets=[twitter2017] --set seeds=[1,2] --jobs 2`
    """
    if (plan is None) == (report is None):
        raise InputError("plan-or-report")
    if plan is None:
        assert report is not None  # noqa: S101 - one of the two is given
        return show_report(report, json)
    from hvpkit.experiments.expand import expand
    from hvpkit.experiments.plan import load_plan

    loaded = load_plan(plan, settings or ())
    expansion = expand(loaded, load_registry(plugins or ()))
    for line in expansion.left_out:
        log.warning(Message("left-out-of-plan", reason=line))
    target = folder or Path("experiments") / Path(plan).stem
    estimated = estimate_of(loaded, expansion, target)
    if dry_run:
        return show_runs(expansion, estimated, json)
    log.info(_estimated(estimated))
    failed = run(loaded, expansion, target, jobs, plugins or [])
    show_report(target, json)
    if failed:
        log.error(Message("runs-failed", failed=len(failed), runs=estimated.runs))
        raise typer.Exit(1)
    return None


def estimate_of(plan: Plan, expansion: Expansion, folder: Path) -> TimeEstimate:
    """Estimate what is left to do; raises PlanError where what is done was another plan's."""
    from hvpkit.data.prepared import open_prepared
    from hvpkit.experiments.results import existing_results
    from hvpkit.experiments.time_estimates import estimate_time

    there = {name: known.folder for name, known in expansion.datasets.items() if known.is_prepared}
    fingerprints = {name: open_prepared(place).manifest.fingerprint for name, place in there.items()}
    results = existing_results(folder, {run.name: run for run in expansion.runs}, fingerprints)
    return estimate_time(expansion.planned(plan), expansion.datasets, results)


def run(plan: Plan, expansion: Expansion, folder: Path, jobs: int, plugins: list[Path]) -> dict[str, str]:
    """Do the runs; gives why each that failed did."""
    from hvpkit.experiments.processes import Setup
    from hvpkit.experiments.scheduler import execute

    with output.interruptible(Message("experiment-stopped")):
        return execute(plan, expansion, Setup(folder, jobs, tuple(plugins)))


def show_runs(expansion: Expansion, estimated: TimeEstimate, json: bool) -> None:
    """Print the runs of a plan and how long they will take."""
    if json:
        names = [run.name for run in expansion.runs]
        return output.print_json({"runs": names, "left_out": expansion.left_out, "estimate": estimated})
    columns = ("run", "system", "data", "seed", "training set", "goes on from")
    rows = [
        (r.name, r.system, r.dataset, r.seed, f"{r.shots} shots" if r.shots else f"{100 * r.share:g}%", r.start or "")
        for r in expansion.runs
    ]
    output.print_table(columns, rows)
    for known in expansion.datasets.values():
        if not known.is_prepared:
            name = known.name
            output.print_message(Message("dataset-to-draw", name=name) if known.synthetic else Message("dataset-to-prepare", name=name))
    return output.print_message(_estimated(estimated))


def _estimated(estimated: TimeEstimate) -> Message:
    from hvpkit.experiments.time_estimates import duration

    time, finished = duration(estimated.seconds), estimated.runs - estimated.remaining
    if finished:
        return Message("remaining-runs-estimated", runs=estimated.runs, finished=finished, duration=time, basis=estimated.basis)
    return Message("runs-estimated", runs=estimated.runs, duration=time, basis=estimated.basis)


def show_report(folder: Path, json: bool) -> None:
    """Write the report of a folder's results and print its tables."""
    from hvpkit.experiments.report import ExperimentReport
    from hvpkit.experiments.write_report import write_report

    report = ExperimentReport.from_folder(folder)
    written = write_report(report, folder)
    if not written.charts:
        log.warning(Message("charts-need-matplotlib"))
    return print_report(report, written, json)


def print_report(report: ExperimentReport, written: WrittenReport, json: bool) -> None:
    """Print the tables of a report, or all of it as JSON."""
    if json:
        return output.print_json({"report": written, "notes": report.notes(), "missing": report.missing, "tables": report.tables()})
    for table in report.tables():
        rows = [[output.bold(cell.text) if cell.bold else cell.text for cell in row] for row in table.rows]
        output.print_table(table.columns, rows, title=table.title)
        for note in table.notes:
            output.print_text(f"  {note}")
    for note in report.notes():
        output.print_note(note)
    return output.print_message(Message("report-written", folder=written.folder))
