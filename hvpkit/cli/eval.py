"""`hvp eval`: score a model folder."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from hvpkit.cli import output
from hvpkit.data.prepared import MANIFEST
from hvpkit.errors import InputError
from hvpkit.messages import Message
from hvpkit.saving.model_folder import open_model_folder
from hvpkit.synthetic.scenarios import CLUES

log = logging.getLogger(__name__)


def command(
    model: Annotated[Path, typer.Argument(help="A model folder.")],
    split: Annotated[Literal["train", "dev", "test"], typer.Option(help="Which part of the data.")] = "test",
    data: Annotated[str | None, typer.Option(help="Prepared data: a name under data/, or a folder (the model's own).")] = None,
    predictions: Annotated[Path | None, typer.Option(metavar="FILE", help="Write every prediction, one JSON line an example.")] = None,
    shuffle: Annotated[
        int | None, typer.Option("--shuffle-images", metavar="SEED", help="A control: each example sees the image of another.")
    ] = None,
    plugins: Annotated[list[Path] | None, typer.Option("--plugin", metavar="FILE", help="Load a plugin file.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the scores as one JSON document.")] = False,
) -> None:
    """Score a model: precision, recall and F1 over entities, or over relations other than None, overall and one by one.

    Example: `hvp eval runs/first --split test --predictions out.jsonl`
    """
    if predictions is not None and predictions.is_dir():
        raise InputError("output-file-is-folder", file=predictions, option="--predictions")
    folder = open_model_folder(model, plugins or ())
    from hvpkit.evaluation.evaluate import evaluate

    result = evaluate(folder, split, data_folder(data), predictions, shuffle)
    if json:
        return output.print_json(result)
    return show(result)


def data_folder(data: str | None) -> Path | None:
    """Read `--data`: the name of prepared data, which wins over a folder of that name (it may hold the raw files), or a folder."""
    if data is None:
        return None
    named = Path("data") / data
    is_path = Path(data).name != data or Path(data).is_dir()
    return Path(data) if is_path and not (named / MANIFEST).is_file() else named


def ceiling_row(name: str, group: Any) -> tuple[str, ...]:  # noqa: ANN401 - a GroupScore, whose module imports torch
    """Give a group's row: its size, and its F1 between what text alone and text with images can reach, in percent."""
    title = "no clue" if name == "none" else f"clue: {name}" if name in CLUES else name
    return title, str(group.examples), *(f"{100 * value:.2f}" for value in (group.text_ceiling, group.f1, group.image_ceiling))


def show(result: Any) -> None:  # noqa: ANN401 - an Evaluation, whose module imports torch
    """Print the table, the accuracy, the fingerprint and what is known of the data."""
    from hvpkit.cli.scores import score_rows

    scores = result.scores
    title = f"{result.split} of {result.data} ({result.fingerprint}): {scores.examples} examples, {result.images} with an image"
    output.print_table(("", "P", "R", "F1", "gold"), score_rows(scores), title=title)
    accuracy = 100 * scores.accuracy
    of_tags = result.task == "mner"
    output.print_message(Message("tag-accuracy", accuracy=accuracy) if of_tags else Message("class-accuracy", accuracy=accuracy))
    if result.groups:
        columns = ("", "examples", "text alone, at most", "F1", "with images, at most")
        output.print_table(columns, map(ceiling_row, result.groups, result.groups.values()), title="F1 between its ceilings")
    if result.unread:
        log.warning(Message("unreadable-examples-scored", count=result.unread, reason=result.first_error))
    for remark in result.remarks:
        output.print_note(remark)
