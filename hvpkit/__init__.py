"""hvpkit: entities and relations from text with images."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from os import PathLike
from typing import TYPE_CHECKING

from hvpkit.messages import LOGGERS

if TYPE_CHECKING:
    from hvpkit.inference.predictor import Predictor

__all__ = ["__version__", "load"]

__version__: str

for _name in LOGGERS:
    logging.getLogger(_name).addHandler(logging.NullHandler())


def __getattr__(name: str) -> str:
    """Read `__version__` from the metadata of the installed package when it is needed."""
    if name == "__version__":
        from importlib.metadata import version

        return version("hvpkit")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load(
    model: str | PathLike[str], plugins: Iterable[str | PathLike[str]] = (), device: str | None = None
) -> Predictor:
    """Load a model folder for prediction.

    Example: `hvpkit.load("runs/first").predict(text="Ada in Paris", image="ada.jpg")`. Importing hvpkit does not import
    torch; this function does.

    Args:
        model: The model folder.
        plugins: Plugin files of components that the model needs.
        device: Device to run on; None for a GPU if there is one.

    Raises:
        ModelFolderError: If files are missing or damaged; the message lists all of them.
    """
    from hvpkit.inference.predictor import Predictor

    return Predictor.open(model, plugins, device)
