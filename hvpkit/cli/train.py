"""`hvp train`: train a recipe."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hvpkit.cli import output
from hvpkit.cli.completion import complete_recipe
from hvpkit.cli.device import DeviceOption, use_device
from hvpkit.config.loading import load_recipe
from hvpkit.messages import Message, messages_to_json
from hvpkit.registry import load_registry

if TYPE_CHECKING:
    from hvpkit.training.train import TrainResult

log = logging.getLogger(__name__)


def command(
    recipe: Annotated[
        str, typer.Argument(help="Recipe file, or the name of a shipped recipe.", autocompletion=complete_recipe)
    ],
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a setting of the recipe.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--output", help="Model folder to write. [default: runs/RECIPE]")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume an unfinished run.")] = False,
    device: DeviceOption = None,
    plugins: Annotated[list[Path] | None, typer.Option("--plugin", metavar="FILE", help="Plugin file to load.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Train a recipe, keep the epoch with the best dev score, score test once, and write a model folder.

    Example: `hvp train recipes/hvpnet_mner.yaml --set text.name=/models/bert --output runs/first`
    """
    use_device(device)
    registry = load_registry(plugins or ())
    loaded = load_recipe(recipe, settings or (), registry)
    from hvpkit.cli.epoch_log import EpochLog
    from hvpkit.training.distributed import is_main_process
    from hvpkit.training.train import train

    if not is_main_process():
        output.set_level(logging.ERROR)
    target = folder or Path("runs") / Path(recipe).stem
    progress = EpochLog(loaded)
    with output.interruptible(Message("train-stopped")):
        result = train(loaded, registry, target, resume=resume, callbacks=progress.callbacks())
    if result is None:
        return
    if json:
        output.print_json(messages_to_json({"model": result.folder, **result.metrics}))
    else:
        show(result)


def show(result: TrainResult) -> None:
    """Print the scores, notes and the model folder."""
    from hvpkit.cli.scores import score_rows

    data = result.metrics["data"]
    title = f"{data['name']} ({data['fingerprint']}), epoch {result.best_epoch}, seed {result.metrics['seed']}"
    for split, scores in (("dev", result.dev), ("test", result.test)):
        if scores is not None:
            output.print_table(("", "P", "R", "F1", "gold"), score_rows(scores), title=f"{split}: {title}")
    for note in result.metrics["notes"]:
        output.print_note(note)
    output.print_message(Message("model-written", model=result.folder))
