"""`hvp train`: a recipe to a model folder."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hvpkit.cli import output
from hvpkit.config.loading import load_recipe
from hvpkit.messages import Message
from hvpkit.registry import load_registry

if TYPE_CHECKING:
    from hvpkit.training.callbacks import EpochResult
    from hvpkit.training.train import TrainResult

log = logging.getLogger(__name__)


def command(
    recipe: Annotated[str, typer.Argument(help="A recipe file, or the name of a shipped recipe.")],
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a setting of the recipe.")] = None,
    folder: Annotated[Path | None, typer.Option("--output", help="The model folder to write (runs/<recipe>).")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an unfinished run.")] = False,
    plugins: Annotated[list[Path] | None, typer.Option("--plugin", metavar="FILE", help="Load a plugin file.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")] = False,
) -> None:
    """Train a recipe: keep the epoch that is best on dev, score test once, write a model folder.

    Example: `hvp train recipes/hvpnet_mner.yaml --set text.name=/models/bert --output runs/first`
    """
    registry = load_registry(plugins or ())
    loaded = load_recipe(recipe, settings or (), registry)
    from hvpkit.training.callbacks import TrainingCallbacks
    from hvpkit.training.train import is_main_process, train

    if not is_main_process():
        output.set_level(logging.ERROR)
    target = folder or Path("runs") / Path(recipe).stem
    with output.interruptible(Message("train-stopped")):
        finished = train(loaded, registry, target, resume=resume, callbacks=TrainingCallbacks(_log_epoch))
    if finished is None:
        return
    if json:
        output.print_json({"model": finished.folder, **finished.metrics})
    else:
        show(finished)


def _log_epoch(line: EpochResult) -> None:
    indent = " " * (len(str(line.epochs)) - len(str(line.epoch)))
    if line.dev is None:
        return log.info(
            Message("epoch-finished", indent=indent, epoch=line.epoch, epochs=line.epochs, loss=line.loss, seconds=line.seconds)
        )
    overall = line.dev.overall
    return log.info(
        Message(
            "epoch-scored",
            indent=indent,
            epoch=line.epoch,
            epochs=line.epochs,
            loss=line.loss,
            seconds=line.seconds,
            precision=100 * overall.precision,
            recall=100 * overall.recall,
            f1=100 * overall.f1,
            best="  best" if line.best else "",
        )
    )


def show(finished: TrainResult) -> None:
    """Print the closing table and where the model is."""
    from hvpkit.cli.scores import score_rows

    data = finished.metrics["data"]
    title = f"{data['name']} ({data['fingerprint']}), epoch {finished.best_epoch}, seed {finished.metrics['seed']}"
    for split, scores in (("dev", finished.dev), ("test", finished.test)):
        if scores is not None:
            output.print_table(("", "P", "R", "F1", "gold"), score_rows(scores), title=f"{split}: {title}")
    for remark in finished.metrics["remarks"]:
        output.print_note(remark)
    output.print_message(Message("model-written", model=finished.folder))
