"""Charts of a report, as PNG and PDF: F1 against the part of the training set (Chen et al. 2022, figure 3), else F1 of each system."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hvpkit.experiments.report import ExperimentReport, ReportRow, f1_over_seeds

KINDS = ("png", "pdf")


def draw_charts(report: ExperimentReport, folder: Path) -> list[Path] | None:
    """Draw a chart a dataset; None where matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return None

    written = []
    for dataset in report.datasets:
        figure = Figure(figsize=(6, 4), layout="tight")
        axis = figure.subplots()
        drawn = _lines(report, dataset, axis) if len({row.part for row in report.rows()}) > 1 else _bars(report, dataset, axis)
        axis.set(ylabel=f"{report.header.plan.score_split} F1 (%)", title=f"{report.header.plan.title}: {dataset}")
        for kind in KINDS if drawn else ():
            file = folder / f"{re.sub(r'[^-.=+A-Za-z0-9]+', '_', dataset)}.{kind}"
            figure.savefig(file, dpi=150, metadata={"CreationDate": None} if kind == "pdf" else None)
            written.append(file)
    return written


def _lines(report: ExperimentReport, dataset: str, axis: Any) -> bool:  # noqa: ANN401 - matplotlib's
    """Draw one line a system over the parts of the training set, with the standard deviation over seeds."""
    parts = list(dict.fromkeys(row.part for row in report.rows()))
    series: dict[str, dict[str, ReportRow]] = {}
    for row in report.rows():
        if report.of_row(row, dataset):
            series.setdefault(row.label, {})[row.part] = row
    numeric = all(re.fullmatch(r"all|[\d.]+%", part) for part in parts)
    for label, rows in series.items():
        found = {part: f1_over_seeds(report, report.of_row(row, dataset)) for part, row in rows.items()}
        scores = {part: score for part, score in found.items() if score is not None}
        xs = [_share(part) if numeric else parts.index(part) for part in scores]
        spreads = [100 * (score.spread or 0.0) for score in scores.values()]
        axis.errorbar(xs, [100 * score.mean for score in scores.values()], yerr=spreads, marker="o", capsize=3, label=label)
    axis.set(xlabel="share of the training set (%)" if numeric else "training set")
    if not numeric:
        axis.set_xticks(range(len(parts)), parts)
    if series:
        axis.legend()
    return bool(series)


def _share(part: str) -> float:
    return 100.0 if part == "all" else float(part.rstrip("%"))


def _bars(report: ExperimentReport, dataset: str, axis: Any) -> bool:  # noqa: ANN401 - matplotlib's
    """Draw one bar a row, with the standard deviation over seeds."""
    scores = {row.label: f1_over_seeds(report, report.of_row(row, dataset)) for row in report.rows()}
    found = {label: score for label, score in scores.items() if score is not None}
    if found:
        spreads = [100 * (score.spread or 0.0) for score in found.values()]
        axis.barh(list(found), [100 * score.mean for score in found.values()], xerr=spreads, capsize=3)
        axis.invert_yaxis()
        axis.set(xlabel=f"{report.header.plan.score_split} F1 (%)")
    return bool(found)
