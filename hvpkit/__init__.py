"""hvpkit: entities and relations from text with images."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from os import PathLike
from typing import TYPE_CHECKING

from hvpkit.messages import LOGGERS

if TYPE_CHECKING:
    from hvpkit.inference.predictor import Predictor

__all__ = ["load"]

for _name in LOGGERS:
    logging.getLogger(_name).addHandler(logging.NullHandler())


def load(model: str | PathLike[str], plugins: Iterable[str | PathLike[str]] = (), device: str | None = None) -> Predictor:
    """Open a model folder to predict with: `hvpkit.load("runs/first").predict(text="Ada in Paris", image="ada.jpg")`.

    `plugins` are files of components that it needs; `device` is a GPU if there is one. Raises ModelFolderError, naming everything that is
    missing or damaged. Importing hvpkit imports no torch; this does.
    """
    from hvpkit.inference.predictor import Predictor

    return Predictor.open(model, plugins, device)
