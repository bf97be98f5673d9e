"""`hvp eval`: score a model on prepared data."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from hvpkit.cli import output
from hvpkit.cli.completion import complete_data, complete_model
from hvpkit.cli.device import DeviceOption, use_device
from hvpkit.cli.model import choose_model, open_model
from hvpkit.data.prepared import MANIFEST
from hvpkit.errors import InputError
from hvpkit.messages import Message, messages_to_json
from hvpkit.synthetic.scenarios import CLUES

log = logging.getLogger(__name__)


def command(
    model_folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[MODEL]",
            autocompletion=complete_model,
            help="Model folder. [default: the latest in runs/]",
            show_default=False,
        ),
    ] = None,
    model: Annotated[Path | None, typer.Option(metavar="DIR", help="The same as MODEL.", show_default=False)] = None,
    split: Annotated[Literal["train", "dev", "test"], typer.Option(help="Split to score.")] = "test",
    data: Annotated[
        str | None,
        typer.Option(
            help="Prepared data: a name in data/, or a folder. [default: the data of the model]",
            autocompletion=complete_data,
        ),
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all predictions, one JSON line per example.")
    ] = None,
    shuffle: Annotated[
        int | None,
        typer.Option(
            "--shuffle-images",
            metavar="SEED",
            help="Control: give each example the image of another one, shuffled by SEED.",
        ),
    ] = None,
    device: DeviceOption = None,
    plugins: Annotated[list[Path] | None, typer.Option("--plugin", metavar="FILE", help="Plugin file to load.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Score a model: precision, recall and F1 of entities or relations, overall and per type or class.

    The relation None does not count.

    Example: `hvp eval runs/first --split test --predictions out.jsonl`
    """
    use_device(device)
    if predictions is not None and predictions.is_dir():
        raise InputError("output-file-is-folder", file=predictions, option="--predictions")
    folder = open_model(choose_model(model_folder, model), plugins or [])
    from hvpkit.evaluation.evaluate import evaluate

    result = evaluate(folder, split, data_folder(data), predictions, shuffle)
    if json:
        return output.print_json(messages_to_json(asdict(result)))
    return show(result)


def data_folder(data: str | None) -> Path | None:
    """Resolve `--data` to a folder of prepared data.

    Args:
        data: Name in `data/`, or a folder. A name of prepared data takes precedence over a folder of that name, which
            may hold the raw files.
    """
    if data is None:
        return None
    named_folder = Path("data") / data
    is_path = Path(data).name != data or Path(data).is_dir()
    return Path(data) if is_path and not (named_folder / MANIFEST).is_file() else named_folder


def upper_bound_row(name: str, group: Any) -> tuple[str, ...]:  # noqa: ANN401 - GroupScore; its module imports torch
    """Build the row of a group: its size, then F1 and the upper bounds without and with images, in percent."""
    title = f"clue: {name}" if name in CLUES else name
    if name == "none":
        title = "no clue"
    return (
        title,
        str(group.examples),
        *(f"{100 * value:.2f}" for value in (group.text_upper_bound, group.f1, group.image_upper_bound)),
    )


def show(result: Any) -> None:  # noqa: ANN401 - Evaluation; its module imports torch
    """Print the scores, the accuracy, the upper bounds of synthetic data, and notes."""
    from hvpkit.cli.scores import score_rows

    scores = result.scores
    counts = f"{scores.examples} examples, {result.images} with an image"
    title = f"{result.split} of {result.data} ({result.fingerprint}): {counts}"
    output.print_table(("", "P", "R", "F1", "gold"), score_rows(scores), title=title)
    accuracy = 100 * scores.accuracy
    if result.task == "mner":
        output.print_message(Message("tag-accuracy", accuracy=accuracy))
    else:
        output.print_message(Message("class-accuracy", accuracy=accuracy))
    if result.groups:
        columns = ("", "examples", "upper bound, text only", "F1", "upper bound, with images")
        rows = map(upper_bound_row, result.groups, result.groups.values())
        output.print_table(columns, rows, title="F1 and its upper bounds")
    if result.unread:
        log.warning(Message("unreadable-examples-scored", count=result.unread, reason=result.first_error))
    for note in result.notes:
        output.print_note(note)
