"""`hvp import-release`: a checkpoint of the authors' code to a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from hvpkit.cli import output
from hvpkit.messages import Message


def command(
    checkpoint: Annotated[Path, typer.Argument(help="A state dict of the code that the paper's authors released (.pth).")],
    task: Annotated[Literal["mner", "mre"], typer.Option(help="What it was trained for.")],
    text: Annotated[str, typer.Option(help="Its tokenizer: a hub id such as bert-base-uncased, or a local folder.")],
    folder: Annotated[Path, typer.Option("--output", help="The model folder to write.")],
    relations: Annotated[Path | None, typer.Option(metavar="FILE", help="For mre: ours_rel2id.json, the ids of its classes.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe release_TASK.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")] = False,
) -> None:
    """Make a model folder of a released checkpoint: it works with every other command and gives the released code's numbers.

    Example: `hvp import-release old.pth --task mner --text bert-base-uncased --output runs/old`
    """
    from hvpkit.release2022 import import_release

    done = import_release(checkpoint, task, text, folder, relations, settings or ())
    if json:
        return output.print_json(done)
    parts = [f"{part} {count}" for part, count in done.tensors.items()]
    output.print_message(Message("tensors-imported", count=sum(done.tensors.values()), parts=parts))
    return output.print_message(Message("model-written", model=done.folder))
