"""`hvp predict`: entities or a relation, of one text with its image or of many."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import astuple
from pathlib import Path
from time import monotonic
from typing import Annotated

import typer

from hvpkit.cli import output
from hvpkit.errors import InputError
from hvpkit.inference.bulk import BulkStatus, PredictionFile, open_prediction_file, require_any_success
from hvpkit.inference.inputs import PredictionInput, parse_input
from hvpkit.inference.prediction_json import prediction_to_json
from hvpkit.messages import Message
from hvpkit.saving.model_folder import ModelFolder, latest_model_folder, open_model_folder
from hvpkit.types import Prediction, VisualObject

log = logging.getLogger(__name__)

RUNS = Path("runs")


def command(
    model: Annotated[Path | None, typer.Option(metavar="DIR", help="A model folder (the newest under runs/).", show_default=False)] = None,
    text: Annotated[str | None, typer.Option(help="The text to read.")] = None,
    image: Annotated[Path | None, typer.Option(metavar="FILE", help="Its image.")] = None,
    head: Annotated[str | None, typer.Option(help="First entity of a pair: words of the text, or characters START:END.")] = None,
    tail: Annotated[str | None, typer.Option(help="Second entity of a pair.")] = None,
    source: Annotated[Path | None, typer.Option("--input", metavar="FILE", help="Many texts, one JSON object a line.")] = None,
    target: Annotated[Path | None, typer.Option("--output", metavar="FILE", help="Where their predictions go, a line each.")] = None,
    plugins: Annotated[list[Path] | None, typer.Option("--plugin", metavar="FILE", help="Load a plugin file.")] = None,
    detect: Annotated[bool, typer.Option(help="Find objects in the image as in training, where none are given.")] = True,
    json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")] = False,
) -> None:
    """Predict the entities of a text, or the relation of a head and a tail in it; of many texts, go on where it stopped.

    Example: `hvp predict --text "Taylor Hill holding Jun's GQ japan lol." --image x.jpg`

    Lines of `--input` have "text" or "tokens", and where there are any "id", "image", "objects", "head" and "tail".
    """
    one = {"--text": text, "--image": image, "--head": head, "--tail": tail}
    _check(one, source, target)
    folder = open_model(model, plugins or [])
    if source is not None and target is not None:
        return _many(open_prediction_file(source, target, folder, detect), folder, json, detect)
    return _one(PredictionInput(text or "", image, head, tail, None if detect else ()), folder, json)


def _check(one: Mapping[str, object], source: Path | None, target: Path | None) -> None:
    given = [name for name, value in one.items() if value is not None]
    if source is not None and given:
        raise InputError("text-with-input", options=given)
    if source is None and one["--text"] is None:
        raise InputError("nothing-to-predict")
    if source is not None and target is None:
        raise InputError("input-without-output")
    if source is None and target is not None:
        raise InputError("output-without-input")


def open_model(model: Path | None, plugins: list[Path]) -> ModelFolder:
    """Open the model folder that was named, or the newest, and say which; and warn of plugins that have changed since."""
    if model is None:
        model = latest_model_folder(RUNS)
        log.info(Message("newest-model", model=model, runs=RUNS))
    folder = open_model_folder(model, plugins)
    for line in folder.changed:
        log.warning(line)
    return folder


def _one(given: PredictionInput, folder: ModelFolder, json: bool) -> None:
    parse_input(given, folder.recipe)  # what can be told without torch is told at once
    if isinstance(given.image, Path) and folder.recipe.uses_images:
        from hvpkit.images.decode import check_image

        check_image(given.image)
    from hvpkit.inference.predictor import Predictor

    found = Predictor(folder).predict(given.text, given.image, given.head, given.tail, given.objects)
    if json:
        output.print_json({"model": folder.folder, **prediction_to_json(found)})
    else:
        _show(found, given.image if isinstance(given.image, Path) else None)


def _show(found: Prediction, image: Path | None) -> None:
    from hvpkit.cli.predictions import show

    show(found)
    if found.image_used:
        output.print_message(Message("image-seen", image=image))
    if found.objects:
        rows = [(item.phrase or "", "" if item.score is None else f"{item.score:.2f}", _box(item)) for item in found.objects]
        output.print_table(("object", "score", "box"), rows)
    for remark in found.notes:
        output.print_note(remark)


def _box(item: VisualObject) -> str:
    return "" if item.box is None else ", ".join(f"{edge:.0f}" for edge in astuple(item.box))


# ------------------------------------------------------------------------------------------------------------------ many
def _many(file: PredictionFile, folder: ModelFolder, json: bool, detect: bool) -> None:
    if file.kept.lines:
        log.info(Message("predictions-kept", file=file.target, kept=file.kept.lines, lines=file.total))
    if not file.total:
        log.warning(Message("input-without-lines", file=file.source))
    unfinished = file.kept.lines < file.total or not file.target.exists()
    done = _run(file, folder, detect) if unfinished else file.kept
    require_any_success(done, file)
    if json:
        output.print_json(
            {"model": folder.folder, "input": file.source, "output": file.target, "lines": done.lines, "kept": file.kept.lines}
            | {"failed": done.failed, "first_error": done.first_error}
        )
    if done.failed:
        log.warning(Message("lines-failed", failed=done.failed, lines=done.lines, file=file.target, reason=done.first_error))


def _run(file: PredictionFile, folder: ModelFolder, detect: bool) -> BulkStatus:
    from hvpkit.inference.predictor import Predictor

    predictor, begun = Predictor(folder, find_objects=detect), monotonic()
    try:
        with output.interruptible(Message("predict-stopped", file=file.target)):
            done = file.run(predictor)
    except OSError:
        if file.target.exists():
            log.info(Message("predictions-stay", file=file.target))
        raise
    new, seconds = done.lines - file.kept.lines, monotonic() - begun
    rate = new / seconds
    log.info(Message("lines-predicted", new=new, seconds=seconds, rate=rate, failed=done.failed, lines=done.lines, file=file.target))
    return done
