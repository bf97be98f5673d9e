"""Write a report: all tables as Markdown and LaTeX, each table as CSV, and charts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hvpkit.experiments.charts import draw_charts
from hvpkit.experiments.report import ExperimentReport
from hvpkit.experiments.tables import as_csv, latex, markdown

FOLDER = "report"


@dataclass(frozen=True)
class WrittenReport:
    """Files of a report.

    Attributes:
        folder: Folder of the report.
        files: Files that were written.
        charts: Whether charts could be drawn (matplotlib is an optional dependency).
    """

    folder: Path
    files: list[Path]
    charts: bool


def write_report(report: ExperimentReport, folder: Path) -> WrittenReport:
    """Write report.md, report.tex, one CSV file per table, and charts.

    Args:
        report: The report.
        folder: Folder of the experiment; files go to its subfolder `report`.
    """
    target = folder / FOLDER
    target.mkdir(parents=True, exist_ok=True)
    tables = report.tables()
    notes = "".join(f"- {note}\n" for note in report.notes())
    texts = {
        "report.md": f"# {report.header.plan.title}\n\n{notes}\n" + "\n".join(map(markdown, tables)),
        "report.tex": "% needs \\usepackage{booktabs}\n" + "\n".join(map(latex, tables)),
        **{f"{table.name}.csv": as_csv(table) for table in tables},
    }
    for name, text in texts.items():
        (target / name).write_text(text, encoding="utf-8")
    charts = draw_charts(report, target)
    return WrittenReport(target, [*(target / name for name in texts), *(charts or [])], charts is not None)
