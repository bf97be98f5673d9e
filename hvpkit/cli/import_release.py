"""`hvp import-release`: import a checkpoint of the code released by the paper's authors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from hvpkit.cli import output
from hvpkit.messages import Message


def command(
    checkpoint: Annotated[Path, typer.Argument(help="State dict of the code released by the paper's authors (.pth).")],
    task: Annotated[Literal["mner", "mre"], typer.Option(help="Task of the checkpoint.")],
    text: Annotated[str, typer.Option(help="Tokenizer: hub id such as bert-base-uncased, or local folder.")],
    folder: Annotated[Path, typer.Option("--output", help="Model folder to write.")],
    relations: Annotated[
        Path | None, typer.Option(metavar="FILE", help="For mre: ours_rel2id.json, the ids of the relations.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a setting of the recipe release_TASK."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Import a checkpoint of the code released by the paper's authors as a model folder.

    The model folder works with all other commands and returns the same numbers as the released code.

    Example: `hvp import-release old.pth --task mner --text bert-base-uncased --output runs/old`
    """
    from hvpkit.release2022 import import_release

    imported = import_release(checkpoint, task, text, folder, relations, settings or ())
    if json:
        return output.print_json(imported)
    parts = [f"{part} {count}" for part, count in imported.tensors.items()]
    output.print_message(Message("tensors-imported", count=sum(imported.tensors.values()), parts=parts))
    return output.print_message(Message("model-written", model=imported.folder))
