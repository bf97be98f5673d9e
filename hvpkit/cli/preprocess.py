"""`hvp preprocess`: from a dataset's files to prepared data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hvpkit.cli import output
from hvpkit.types import SPLITS

if TYPE_CHECKING:
    from hvpkit.data.report import Report, SplitReport

COUNTS = (
    ("examples", "examples"),
    ("words", "words"),
    ("tags repaired", "repaired_tags"),
    ("examples left out", "left_out"),
)
PICTURES = (
    ("pictures found", "pictures"),
    ("pictures missing", "pictures_missing"),
    ("pictures unreadable", "pictures_unreadable"),
    ("examples without picture", "without_picture"),
    ("objects", "objects"),
    ("crops missing", "crops_missing"),
    ("crops unreadable", "crops_unreadable"),
)


def command(
    name: Annotated[str, typer.Argument(help="twitter2015, twitter2017, mnre, or the path of your own JSON lines.", show_default=False)],
    root: Annotated[Path | None, typer.Option(help="The folder that holds the dataset, in any usual layout. [default: .]")] = None,
    output_folder: Annotated[Path | None, typer.Option("--output", help="Where the prepared data goes. [default: data/NAME]")] = None,
    text_only: Annotated[bool, typer.Option("--text-only", help="Leave pictures out.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Find a dataset's files, check them, and write prepared data.

    Example: `hvp preprocess twitter2017 --root ~/datasets`
    """
    from hvpkit.data.preprocess import preprocess

    report = preprocess(name, root=root, output=output_folder, text_only=text_only, progress=output.progress)
    if as_json:
        return output.print_json(report)
    show(report)


def show(report: Report) -> None:
    """Print what each split holds, what was wrong, and where it all is now."""
    there = [split for split in SPLITS if split in report.splits]
    output.print_text(f"{report.name}: {report.source}")
    output.print_table(("", *there), _rows(report, [report.splits[split] for split in there]))
    if report.problems:
        rows = [(p.kind, p.split, p.count, "left out" if p.left_out else "", "\n".join(p.places)) for p in report.problems]
        output.print_table(("problem", "split", "times", "example", "first places"), rows)
    absent = [split for split in SPLITS if split not in report.splits]
    if absent:
        output.print_text(f"There is no {' and no '.join(absent)} split.")
    output.print_text(f"fingerprint {report.fingerprint}, {'text only, ' if report.text_only else ''}in {report.folder}")


def _rows(report: Report, splits: list[SplitReport]) -> Iterator[tuple[object, ...]]:
    yield from (_row(title, splits, name) for title, name in COUNTS)
    for kind in splits[0].labels:
        yield (kind, *(split.labels[kind] for split in splits))
    if not report.text_only:
        yield from (_row(title, splits, name) for title, name in PICTURES)


def _row(title: str, splits: list[SplitReport], name: str) -> tuple[object, ...]:
    return (title, *(getattr(split, name) for split in splits))
