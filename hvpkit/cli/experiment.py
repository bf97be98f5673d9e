"""`hvp experiment`: run a plan and write its tables and charts."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hvpkit.cli import output
from hvpkit.cli.completion import complete_plan
from hvpkit.cli.device import DeviceOption, use_device
from hvpkit.errors import InputError
from hvpkit.messages import Message

if TYPE_CHECKING:
    from hvpkit.experiments.expand import Expansion
    from hvpkit.experiments.report import ExperimentReport
    from hvpkit.experiments.time_estimates import TimeEstimate
    from hvpkit.experiments.write_report import WrittenReport

log = logging.getLogger(__name__)


def command(
    plan: Annotated[
        str | None,
        typer.Argument(
            help="Plan file, or the name of a shipped plan.", show_default=False, autocompletion=complete_plan
        ),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a setting of the plan.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--output", help="Folder of runs and results. [default: experiments/PLAN]")
    ] = None,
    jobs: Annotated[
        int, typer.Option(metavar="N", min=1, help="Number of parallel runs; they share the CPU cores.")
    ] = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list the runs and estimate their time.")] = False,
    report: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Only write the report of the results in a folder.")
    ] = None,
    device: DeviceOption = None,
    plugins: Annotated[list[Path] | None, typer.Option("--plugin", metavar="FILE", help="Plugin file to load.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Run all trainings of a plan, then write tables and charts; finished runs are not repeated.

    Example: `hvp experiment table1 --set datasets=[twitter2017] --set seeds=[1,2] --jobs 2`
    """
    use_device(device)
    if (plan is None) == (report is None):
        raise InputError("plan-or-report")
    if plan is None:
        assert report is not None  # noqa: S101 - checked above
        return show_report(report, json)
    from hvpkit.experiments.experiment import open_experiment

    experiment = open_experiment(plan, settings or (), folder, plugins or ())
    if dry_run:
        return show_runs(experiment.expansion, experiment.estimate, json)
    log.info(_estimate_message(experiment.estimate))
    with output.interruptible(Message("experiment-stopped")):
        failed = experiment.run(jobs)
    show_report(experiment.folder, json)
    if failed:
        log.error(Message("runs-failed", failed=len(failed), runs=experiment.estimate.runs))
        raise typer.Exit(1)
    return None


def show_runs(expansion: Expansion, estimate: TimeEstimate, json: bool) -> None:
    """Print the runs of a plan and the estimated time."""
    if json:
        names = [run.name for run in expansion.runs]
        return output.print_json({"runs": names, "left_out": expansion.skipped, "estimate": estimate})
    columns = ("run", "system", "data", "seed", "training set", "initialized from")
    rows = [
        (
            r.name,
            r.system,
            r.dataset,
            r.seed,
            f"{r.shots} shots" if r.shots else f"{100 * r.fraction:g}%",
            r.start or "",
        )
        for r in expansion.runs
    ]
    output.print_table(columns, rows)
    for dataset in expansion.datasets.values():
        if not dataset.is_prepared and dataset.synthetic:
            output.print_message(Message("dataset-to-draw", name=dataset.name))
        elif not dataset.is_prepared:
            output.print_message(Message("dataset-to-prepare", name=dataset.name))
    return output.print_message(_estimate_message(estimate))


def _estimate_message(estimate: TimeEstimate) -> Message:
    from hvpkit.experiments.time_estimates import duration

    runs, basis, time = estimate.runs, estimate.basis, duration(estimate.seconds)
    finished = runs - estimate.remaining
    if finished:
        return Message("remaining-runs-estimated", runs=runs, finished=finished, duration=time, basis=basis)
    return Message("runs-estimated", runs=runs, duration=time, basis=basis)


def show_report(folder: Path, json: bool) -> None:
    """Write the report of the results in a folder and print its tables."""
    from hvpkit.experiments.report import ExperimentReport
    from hvpkit.experiments.write_report import write_report

    report = ExperimentReport.from_folder(folder)
    written = write_report(report, folder)
    if not written.charts:
        log.warning(Message("charts-need-matplotlib"))
    return print_report(report, written, json)


def print_report(report: ExperimentReport, written: WrittenReport, json: bool) -> None:
    """Print the tables of a report, or the report as JSON."""
    if json:
        return output.print_json(
            {"report": written, "notes": report.notes(), "missing": report.missing, "tables": report.tables()}
        )
    for table in report.tables():
        rows = [[output.bold(cell.text) if cell.bold else cell.text for cell in row] for row in table.rows]
        output.print_table(table.columns, rows, title=table.title)
        for note in table.notes:
            output.print_text(f"  {note}")
    for note in report.notes():
        output.print_note(note)
    return output.print_message(Message("report-written", folder=written.folder))
