"""Tables of a report, and their conversion to Markdown, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

NAMED = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "−": "$-$",
    "→": r"$\to$",
}
LATEX = NAMED | {sign: f"\\{sign}" for sign in "&%$#_{}"}


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: Text of the cell.
        bold: Whether the cell has the best value of its column.
    """

    text: str
    bold: bool = False


@dataclass(frozen=True)
class Table:
    """A table of a report.

    Attributes:
        name: Name of its CSV file, without extension.
        title: Title above the table.
        columns: Names of the columns.
        rows: Cells by row.
        notes: Notes below the table.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Cell, ...]]
    notes: Sequence[str] = ()


def markdown(table: Table) -> str:
    """Convert a table to Markdown, with its title and notes."""
    cells = [[f"**{cell.text}**" if cell.bold else cell.text for cell in row] for row in table.rows]
    rows = [table.columns, ["---"] * len(table.columns), *cells]
    lines = [
        f"## {table.title}",
        "",
        *(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows),
    ]
    return "\n".join([*lines, *([""] if table.notes else []), *(f"- {note}" for note in table.notes)]) + "\n"


def latex(table: Table) -> str:
    """Convert a table to LaTeX (package booktabs), with its title as caption and its notes below."""
    rows = [
        " & ".join(rf"\textbf{{{escaped(cell.text)}}}" if cell.bold else escaped(cell.text) for cell in row)
        for row in table.rows
    ]
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escaped(table.title)}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(table.columns) - 1)}}}",
        r"\toprule",
        " & ".join(map(escaped, table.columns)) + r" \\",
        r"\midrule",
        *(rf"{row} \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
        *(rf"\par\footnotesize {escaped(note)}" for note in table.notes),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Escape a text for LaTeX."""
    return re.sub("|".join(map(re.escape, LATEX)), lambda sign: LATEX[sign[0]], text)


def as_csv(table: Table) -> str:
    """Convert a table to CSV: columns and rows, without title and notes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows([cell.text for cell in row] for row in table.rows)
    return text.getvalue()


def mark_best(
    rows: Sequence[Sequence[Cell]], values: Sequence[Sequence[float | None]], shown: Callable[[float], str]
) -> list[tuple[Cell, ...]]:
    """Set the largest value of each column in bold, with ties; a column with one value has no best.

    Args:
        rows: Cells by row.
        values: Values of the last columns of each row; None where a column has no best value.
        shown: Function that formats a value; values with the same text are ties.

    Returns:
        The rows with bold cells; the columns before those of `values` are unchanged.
    """
    best = [_largest([value for value in column if value is not None], shown) for column in zip(*values, strict=True)]
    marked = []
    for row, row_values in zip(rows, values, strict=True):
        first = len(row) - len(row_values)
        bold = [
            value is not None and top is not None and shown(value) == top
            for value, top in zip(row_values, best, strict=True)
        ]
        marked.append(
            (*row[:first], *(Cell(cell.text, is_best) for cell, is_best in zip(row[first:], bold, strict=True)))
        )
    return marked


def _largest(values: Sequence[float], shown: Callable[[float], str]) -> str | None:
    return shown(max(values)) if len(values) > 1 else None
