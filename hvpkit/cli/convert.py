"""`hvp convert`: write a dataset in another format."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Literal

import typer

from hvpkit.cli import output
from hvpkit.cli.dataset_report import show_problems
from hvpkit.cli.own_data import (
    FORMAT_HELP,
    IMAGES_HELP,
    LABELS_HELP,
    PATTERN_HELP,
    SPLIT_HELP,
    image_names,
    reader_options,
)
from hvpkit.messages import Message
from hvpkit.registry import load_registry

log = logging.getLogger(__name__)


def command(
    name: Annotated[str, typer.Argument(help="Path of your data, or name of a dataset.", show_default=False)],
    output_path: Annotated[
        Path, typer.Argument(metavar="OUT", help="File, or folder with a file for each split.", show_default=False)
    ],
    to: Annotated[
        Literal["jsonl", "conll", "docbin", "gliner"], typer.Option(help="Format to write.", show_default=False)
    ],
    format_name: Annotated[
        str | None, typer.Option("--format", metavar="NAME", help=FORMAT_HELP, show_default=False)
    ] = None,
    root: Annotated[Path | None, typer.Option(help="Folder that contains a named dataset. [default: .]")] = None,
    task: Annotated[
        Literal["mner", "mre"] | None, typer.Option(help="Formats with entities and relations: which are read.")
    ] = None,
    images: Annotated[
        list[Path] | None, typer.Option("--images", metavar="DIR", help=IMAGES_HELP, show_default=False)
    ] = None,
    image_pattern: Annotated[str | None, typer.Option(metavar="PATTERN", help=PATTERN_HELP, show_default=False)] = None,
    labels: Annotated[Path | None, typer.Option(metavar="FILE", help=LABELS_HELP, show_default=False)] = None,
    split: Annotated[str | None, typer.Option(metavar="TRAIN/DEV/TEST", help=SPLIT_HELP, show_default=False)] = None,
    seed: Annotated[int, typer.Option(help="Random seed of --split.")] = 0,
    plugins: Annotated[
        list[Path] | None, typer.Option("--plugin", metavar="FILE", help="Plugin file to load.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Write a dataset of any format that `hvp preprocess` reads in another format.

    Example: `hvp convert export.json mine.jsonl --to jsonl`
    """
    from hvpkit.preprocessing.convert import convert
    from hvpkit.preprocessing.random_split import SplitRequest

    report = convert(
        name,
        output_path,
        to=to,
        root=root,
        format_name=format_name,
        options=reader_options(labels, task),
        images=image_names(images, image_pattern),
        split=None if split is None else SplitRequest.parse(split, seed),
        registry=load_registry(plugins or ()),
    )
    if as_json:
        return output.print_json(report)
    show_problems(report.problems)
    if report.objects_dropped:
        log.warning(Message("objects-not-written", count=report.objects_dropped, format=to))
    for part, file in report.files.items():
        output.print_message(Message("split-written", split=part, count=report.counts[part], file=file))
    return None
