"""`hvp export-release`: a model folder to a checkpoint of the authors' code."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from hvpkit.cli import output
from hvpkit.messages import Message

log = logging.getLogger(__name__)


def command(
    model: Annotated[Path, typer.Argument(help="A model folder: imported, or trained by a release recipe.")],
    file: Annotated[Path, typer.Option("--output", metavar="FILE", help="The checkpoint to write (.pth).")],
    json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")] = False,
) -> None:
    """Write a model as a checkpoint of the code that the paper's authors released; an imported one comes out tensor for tensor the same.

    Example: `hvp export-release runs/old --output again.pth`
    """
    from hvpkit.release2022 import export_release

    exported = export_release(model, file)
    if exported.made:
        log.warning(Message("tensors-made-up", names=exported.made))
    if json:
        return output.print_json(exported)
    output.print_message(Message("checkpoint-written", checkpoint=exported.checkpoint))
    if exported.relations is not None:
        output.print_message(Message("relation-ids-written", file=exported.relations))
