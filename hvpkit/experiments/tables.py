"""Tables of a report, and how they are written: Markdown, CSV, LaTeX (the terminal's own are the command line's)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

NAMED = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "−": "$-$", "→": r"$\to$"}
LATEX = NAMED | {sign: f"\\{sign}" for sign in "&%$#_{}"}


@dataclass(frozen=True)
class Cell:
    """What stands in one place of a table; the best of its kind is bold."""

    text: str
    bold: bool = False


@dataclass(frozen=True)
class Table:
    """A table: `name` is its file's, `notes` stand below it."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Cell, ...]]
    notes: Sequence[str] = ()


def markdown(table: Table) -> str:
    """Write a table as Markdown, with its title and notes."""
    cells = [[f"**{cell.text}**" if cell.bold else cell.text for cell in row] for row in table.rows]
    rows = [table.columns, ["---"] * len(table.columns), *cells]
    lines = [f"## {table.title}", "", *(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows)]
    return "\n".join([*lines, *([""] if table.notes else []), *(f"- {note}" for note in table.notes)]) + "\n"


def latex(table: Table) -> str:
    """Write a table as LaTeX for the package booktabs, with its title as caption and its notes below."""
    rows = [" & ".join(rf"\textbf{{{escaped(cell.text)}}}" if cell.bold else escaped(cell.text) for cell in row) for row in table.rows]
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
    """Write a text so that LaTeX prints it as it is."""
    return re.sub("|".join(map(re.escape, LATEX)), lambda sign: LATEX[sign[0]], text)


def as_csv(table: Table) -> str:
    """Write a table as CSV: columns and rows, without title and notes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows([cell.text for cell in row] for row in table.rows)
    return text.getvalue()


def mark_best(
    rows: Sequence[Sequence[Cell]], values: Sequence[Sequence[float | None]], shown: Callable[[float], str]
) -> list[tuple[Cell, ...]]:
    """Set the largest of each column in bold: all that look the same; a column of one value has no best.

    `values` belong to the last columns of `rows`, which stand as they are before.
    """
    best = [_largest([value for value in column if value is not None], shown) for column in zip(*values, strict=True)]
    made = []
    for row, own in zip(rows, values, strict=True):
        first = len(row) - len(own)
        bold = [value is not None and top is not None and shown(value) == top for value, top in zip(own, best, strict=True)]
        made.append((*row[:first], *(Cell(cell.text, is_best) for cell, is_best in zip(row[first:], bold, strict=True))))
    return made


def _largest(values: Sequence[float], shown: Callable[[float], str]) -> str | None:
    return shown(max(values)) if len(values) > 1 else None
