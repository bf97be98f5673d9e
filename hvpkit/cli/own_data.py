"""Options of `hvp preprocess` and `hvp convert` about the data of a user."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hvpkit.data.readers.base import ImageNames
from hvpkit.errors import InputError

FORMAT_HELP = "Format of your data (`hvp components reader`). [default: recognized by its content]"
IMAGES_HELP = "Folder of images; can be repeated. [default: the folder of the data]"
PATTERN_HELP = 'File name of the image of each example, such as "{id}.jpg".'
LABELS_HELP = "hf: File with the names of the labels, in the order of their ids, one on each line."
SPLIT_HELP = "Proportions, such as 80/10/10, to divide training data without dev or test split."


def reader_options(labels: Path | None, task: str | None) -> dict[str, Any]:
    """Return the options for the reader of a format."""
    options = {"labels": None if labels is None else str(labels), "task": task}
    return {key: value for key, value in options.items() if value is not None}


def image_names(folders: Iterable[Path] | None, pattern: str | None) -> ImageNames:
    """Return where images are.

    Raises:
        InputError: "images-folder-missing" or "image-pattern-without-id".
    """
    for folder in folders or ():
        if not folder.is_dir():
            raise InputError("images-folder-missing", folder=folder)
    if pattern is not None and "{id}" not in pattern:
        raise InputError("image-pattern-without-id", pattern=pattern)
    return ImageNames(tuple(folders or ()), pattern)
