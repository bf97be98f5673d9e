"""`hvp predict`: predict entities or relations of one text with its image, or of a file of many."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import astuple
from pathlib import Path
from time import monotonic
from typing import Annotated

import typer

from hvpkit.cli import output
from hvpkit.cli.completion import complete_model
from hvpkit.cli.device import DeviceOption, use_device
from hvpkit.cli.model import choose_model, open_model
from hvpkit.errors import HvpkitError, InputError
from hvpkit.inference.bulk import BulkStatus, PredictionFile, open_prediction_file, require_any_success
from hvpkit.inference.inputs import PredictionInput, parse_input
from hvpkit.inference.predictions import Prediction
from hvpkit.messages import Message
from hvpkit.saving.model_folder import ModelFolder
from hvpkit.types import VisualObject

log = logging.getLogger(__name__)

STDIN = Path("-")


def command(
    model_folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[MODEL]",
            autocompletion=complete_model,
            help="Model folder, or - to read texts from stdin. [default: the latest in runs/]",
            show_default=False,
        ),
    ] = None,
    model: Annotated[Path | None, typer.Option(metavar="DIR", help="The same as MODEL.", show_default=False)] = None,
    text: Annotated[str | None, typer.Option(help="Text to predict; - reads it from stdin.")] = None,
    image: Annotated[Path | None, typer.Option(metavar="FILE", help="Image of the text.")] = None,
    head: Annotated[
        str | None, typer.Option(help="Head entity of a relation: words of the text, or characters START:END.")
    ] = None,
    tail: Annotated[str | None, typer.Option(help="Tail entity of a relation.")] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--input", metavar="FILE", help="Texts to predict, one JSON object or text per line; - for stdin."
        ),
    ] = None,
    target: Annotated[
        Path | None,
        typer.Option(
            "--output", metavar="FILE", help="File of the predictions, one line per input line. [default: stdout]"
        ),
    ] = None,
    device: DeviceOption = None,
    plugins: Annotated[list[Path] | None, typer.Option("--plugin", metavar="FILE", help="Plugin file to load.")] = None,
    detect: Annotated[
        bool, typer.Option(help="Detect objects in the image as in training, if the input has none.")
    ] = True,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Predict the entities of a text, or the relation between two entities; for one text or a file of many.

    Example: `hvp predict --text "Taylor Hill holding Jun's GQ japan lol." --image x.jpg`

    Lines of `--input` have "text" or "tokens", and optionally "id", "image", "objects", "head" and "tail".
    The same command continues an interrupted `--output`. Without `--output`, predictions are printed as JSON lines:
    `echo "Ada in Paris" | hvp predict -`
    """
    use_device(device)
    if model_folder == STDIN:
        model_folder, source = None, source or STDIN
    model = choose_model(model_folder, model)
    text = sys.stdin.read().strip() if text == "-" else text
    single = {"--text": text, "--image": image, "--head": head, "--tail": tail}
    _check(single, source, target)
    folder = open_model(model, plugins or [])
    if source is not None and target is not None:
        return _predict_file(open_prediction_file(source, target, folder, detect), folder, json, detect)
    if source is not None:
        return _print_predictions(source, folder, detect)
    return _predict_one(PredictionInput(text or "", image, head, tail, None if detect else ()), folder, json)


def _check(single: Mapping[str, object], source: Path | None, target: Path | None) -> None:
    used = [name for name, value in single.items() if value is not None]
    if source is not None and used:
        raise InputError("text-with-input", options=used)
    if source is None and single["--text"] is None:
        raise InputError("nothing-to-predict")
    if source == STDIN and target is not None:
        raise InputError("stdin-with-output")
    if source is None and target is not None:
        raise InputError("output-without-input")


def _predict_one(prediction_input: PredictionInput, folder: ModelFolder, json: bool) -> None:
    parse_input(prediction_input, folder.recipe)  # report invalid input before torch is imported
    image = prediction_input.image
    if isinstance(image, Path) and folder.recipe.uses_images:
        from hvpkit.images.decode import check_image

        check_image(image)
    from hvpkit.inference.predictor import Predictor

    prediction = Predictor(folder).predict(
        prediction_input.text, image, prediction_input.head, prediction_input.tail, prediction_input.objects
    )
    if json:
        output.print_json({"model": folder.folder, **prediction.to_dict()})
    else:
        _show(prediction, image if isinstance(image, Path) else None)


def _show(prediction: Prediction, image: Path | None) -> None:
    from hvpkit.cli.predictions import show

    show(prediction)
    if prediction.image_used:
        output.print_message(Message("image-seen", image=image))
    if prediction.objects:
        rows = [(item.phrase or "", _format_score(item), _format_box(item)) for item in prediction.objects]
        output.print_table(("object", "score", "box"), rows)
    for note in prediction.notes:
        output.print_note(note)


def _format_score(item: VisualObject) -> str:
    return "" if item.score is None else f"{item.score:.2f}"


def _format_box(item: VisualObject) -> str:
    return "" if item.box is None else ", ".join(f"{edge:.0f}" for edge in astuple(item.box))


def _predict_file(file: PredictionFile, folder: ModelFolder, json: bool, detect: bool) -> None:
    if file.kept.lines:
        log.info(Message("predictions-kept", file=file.target, kept=file.kept.lines, lines=file.total))
    if not file.total:
        log.warning(Message("input-without-lines", file=file.source))
    unfinished = file.kept.lines < file.total or not file.target.exists()
    status = _run(file, folder, detect) if unfinished else file.kept
    require_any_success(status, file)
    if json:
        output.print_json(
            {
                "model": folder.folder,
                "input": file.source,
                "output": file.target,
                "lines": status.lines,
                "kept": file.kept.lines,
                "failed": status.failed,
                "first_error": status.first_error,
            }
        )
    if status.failed:
        counts = {"failed": status.failed, "lines": status.lines}
        log.warning(Message("lines-failed", **counts, file=file.target, reason=status.first_error))


def _print_predictions(source: Path, folder: ModelFolder, detect: bool) -> None:
    """Print the predictions of a file or of stdin as JSON lines, each immediately."""
    from hvpkit.inference.line_stream import encode_record, predict_lines, read_input_lines
    from hvpkit.inference.predictor import Predictor
    from hvpkit.records.compressed import open_binary

    if source != STDIN and not source.is_file():
        raise InputError("input-missing", file=source)
    predictor, failed, total = Predictor(folder, detect_objects=detect), 0, 0
    with nullcontext(sys.stdin.buffer) if source == STDIN else open_binary(source) as stream:
        root = Path() if source == STDIN else source.parent
        for record in predict_lines(predictor, read_input_lines(stream, str(source)), root):
            sys.stdout.write(encode_record(record).decode("utf-8", "replace") + "\n")
            sys.stdout.flush()
            total, failed = total + 1, failed + ("error" in record)
    if total and failed == total:
        raise HvpkitError("all-lines-failed", count=total, file=source, reason="see the printed lines")


def _run(file: PredictionFile, folder: ModelFolder, detect: bool) -> BulkStatus:
    from hvpkit.inference.predictor import Predictor

    predictor, start = Predictor(folder, detect_objects=detect), monotonic()
    try:
        with output.interruptible(Message("predict-stopped", file=file.target)):
            status = file.run(predictor)
    except OSError:
        if file.target.exists():
            log.info(Message("predictions-stay", file=file.target))
        raise
    new, seconds = status.lines - file.kept.lines, monotonic() - start
    counts = {"new": new, "failed": status.failed, "lines": status.lines}
    log.info(Message("lines-predicted", **counts, seconds=seconds, rate=new / seconds, file=file.target))
    return status
