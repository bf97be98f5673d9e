"""The model folder of a command."""

from __future__ import annotations

import logging
from pathlib import Path

from hvpkit.errors import InputError
from hvpkit.messages import Message
from hvpkit.saving.model_folder import ModelFolder, latest_model_folder, open_model_folder

log = logging.getLogger(__name__)

RUNS = Path("runs")


def choose_model(argument: Path | None, option: Path | None) -> Path | None:
    """Return the model folder that was given as argument or as `--model`; None if there is none.

    Raises:
        InputError: "model-twice" if both are given.
    """
    if argument is not None and option is not None and argument != option:
        raise InputError("model-twice", argument=argument, option=option)
    return argument or option


def open_model(model: Path | None, plugins: list[Path]) -> ModelFolder:
    """Open a model folder, by default the latest in runs/, and warn of plugins that have changed since training."""
    if model is None:
        model = latest_model_folder(RUNS)
        log.info(Message("newest-model", model=model, runs=RUNS))
    folder = open_model_folder(model, plugins)
    for change in folder.changed:
        log.warning(change)
    return folder
