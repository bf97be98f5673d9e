"""`hvp export-release`: export a model as a checkpoint of the code released by the paper's authors."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from hvpkit.cli import output
from hvpkit.messages import Message

log = logging.getLogger(__name__)


def command(
    model: Annotated[Path, typer.Argument(help="Model folder that was imported, or trained with a release recipe.")],
    file: Annotated[Path, typer.Option("--output", metavar="FILE", help="Checkpoint to write (.pth).")],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Export a model as a checkpoint of the code released by the paper's authors.

    An imported model is exported unchanged, tensor by tensor.

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
