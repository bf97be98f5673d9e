"""hvpkit: entities and relations from text with images.

The names in `__all__` are the public Python API; docs/python.md describes them. Importing hvpkit does not import torch;
the names are loaded when they are first used.
"""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING, Any

from hvpkit.messages import LOGGERS

if TYPE_CHECKING:
    from hvpkit.api import (
        EntityPredictor,
        RelationPredictor,
        TextExplanation,
        TrainedModel,
        evaluate,
        load,
        preprocess,
        train,
    )
    from hvpkit.config.recipe import Recipe
    from hvpkit.inference.predictions import EntityPrediction, RelationPrediction
    from hvpkit.types import Example

    __version__: str

MODULES = {
    "EntityPredictor": "hvpkit.api",
    "RelationPredictor": "hvpkit.api",
    "TextExplanation": "hvpkit.api",
    "TrainedModel": "hvpkit.api",
    "evaluate": "hvpkit.api",
    "load": "hvpkit.api",
    "preprocess": "hvpkit.api",
    "train": "hvpkit.api",
    "Recipe": "hvpkit.config.recipe",
    "EntityPrediction": "hvpkit.inference.predictions",
    "RelationPrediction": "hvpkit.inference.predictions",
    "Example": "hvpkit.types",
}
__all__ = [
    "EntityPrediction",
    "EntityPredictor",
    "Example",
    "Recipe",
    "RelationPrediction",
    "RelationPredictor",
    "TextExplanation",
    "TrainedModel",
    "__version__",
    "evaluate",
    "load",
    "preprocess",
    "train",
]

for _name in LOGGERS:
    logging.getLogger(_name).addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module attribute
    """Import a public name when it is first used."""
    if name == "__version__":
        from importlib.metadata import version

        return version("hvpkit")
    if name in MODULES:
        return getattr(importlib.import_module(MODULES[name]), name)
    raise AttributeError(f"module 'hvpkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
