"""Charts of a report, as PNG and PDF: F1 by training set size (Chen et al. 2022, Figure 3), or F1 by system."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hvpkit.experiments.report import ExperimentReport, ReportRow, f1_over_seeds

KINDS = ("png", "pdf")


def draw_charts(report: ExperimentReport, folder: Path) -> list[Path] | None:
    """Draw one chart per dataset.

    Args:
        report: The report.
        folder: Folder for the files.

    Returns:
        Files that were written; None if matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return None

    written = []
    for dataset in report.datasets:
        figure = Figure(figsize=(6, 4), layout="tight")
        axis = figure.subplots()
        draw = _lines if len({row.training_size for row in report.rows()}) > 1 else _bars
        has_scores = draw(report, dataset, axis)
        axis.set(ylabel=f"{report.header.plan.score_split} F1 (%)", title=f"{report.header.plan.title}: {dataset}")
        for kind in KINDS if has_scores else ():
            file = folder / f"{re.sub(r'[^-.=+A-Za-z0-9]+', '_', dataset)}.{kind}"
            figure.savefig(file, dpi=150, metadata={"CreationDate": None} if kind == "pdf" else None)
            written.append(file)
    return written


def _lines(report: ExperimentReport, dataset: str, axis: Any) -> bool:  # noqa: ANN401 - matplotlib's
    """Draw one line per system over training set sizes, with the standard deviation over seeds."""
    training_sizes = list(dict.fromkeys(row.training_size for row in report.rows()))
    series: dict[str, dict[str, ReportRow]] = {}
    for row in report.rows():
        if report.results_for(row, dataset):
            series.setdefault(row.label, {})[row.training_size] = row
    numeric = all(re.fullmatch(r"all|[\d.]+%", size) for size in training_sizes)
    for label, rows in series.items():
        by_part = {size: f1_over_seeds(report, report.results_for(row, dataset)) for size, row in rows.items()}
        scores = {size: score for size, score in by_part.items() if score is not None}
        xs = [_percentage(size) if numeric else training_sizes.index(size) for size in scores]
        spreads = [100 * (score.spread or 0.0) for score in scores.values()]
        axis.errorbar(
            xs, [100 * score.mean for score in scores.values()], yerr=spreads, marker="o", capsize=3, label=label
        )
    axis.set(xlabel="fraction of the training set (%)" if numeric else "training set")
    if not numeric:
        axis.set_xticks(range(len(training_sizes)), training_sizes)
    if series:
        axis.legend()
    return bool(series)


def _percentage(size: str) -> float:
    return 100.0 if size == "all" else float(size.rstrip("%"))


def _bars(report: ExperimentReport, dataset: str, axis: Any) -> bool:  # noqa: ANN401 - matplotlib's
    """Draw one bar per row, with the standard deviation over seeds."""
    by_label = {row.label: f1_over_seeds(report, report.results_for(row, dataset)) for row in report.rows()}
    scores = {label: score for label, score in by_label.items() if score is not None}
    if scores:
        spreads = [100 * (score.spread or 0.0) for score in scores.values()]
        axis.barh(list(scores), [100 * score.mean for score in scores.values()], xerr=spreads, capsize=3)
        axis.invert_yaxis()
        axis.set(xlabel=f"{report.header.plan.score_split} F1 (%)")
    return bool(scores)
