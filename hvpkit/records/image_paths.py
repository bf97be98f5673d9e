"""Resolve the images of a record: file names inside of a folder, or the images of a program."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from os import PathLike
from pathlib import Path

from PIL import Image

from hvpkit.images.decode import encode_image
from hvpkit.records.issues import Issue, RecordError
from hvpkit.types import ImageBytes, ImageSource

FindImage = Callable[[str], Path]  # returns the file of a name, which need not exist; raises RecordError
ImageRoot = Path | FindImage  # folder that contains all files, or a search for them
IMAGE_TYPES = (str, PathLike, bytes, ImageBytes, Image.Image)  # of a record of a program; str alone in a file


def resolve_image(value: object, root: ImageRoot | None, issues: list[Issue]) -> ImageSource | None:
    """Return the image of a record; None if it has none or its value cannot be used.

    Args:
        value: Value of `image`; null and "" are no image.
        root: Folder of the image, with links resolved; None for a record of a program.
        issues: Receives the issue of an unusable value of a file.

    Raises:
        RecordError: "image-invalid" for a value of a program that is no image.
        ImageError: "pil-image-size" or "pil-image-damaged".
    """
    if value is None or (isinstance(value, str) and not value):
        return None
    if root is None:
        return _program_image(value)
    try:
        return _resolve_name(value, "image", root)
    except RecordError as error:
        issues.append(Issue(error.message, "dropped"))
        return None


def resolve_crop(value: object, root: ImageRoot | None) -> ImageSource:
    """Return the crop of an object.

    Args:
        value: Value of the record.
        root: Folder of the crop, with links resolved; None for a record of a program.

    Raises:
        RecordError: "image-not-file-name", "image-name-invalid", "image-outside-folder" or "image-invalid".
        ImageError: "pil-image-size" or "pil-image-damaged".
    """
    return _program_image(value) if root is None else _resolve_name(value, "objects", root)


def _program_image(value: object) -> ImageSource:
    if isinstance(value, Image.Image):
        return encode_image(value)
    if isinstance(value, ImageBytes):
        return value
    if isinstance(value, bytes):
        return ImageBytes(value)
    if isinstance(value, (str, PathLike)):
        return Path(value)
    raise RecordError("image-invalid", found=value)


def _resolve_name(name: object, key: str, root: ImageRoot) -> Path:
    if not isinstance(name, str):
        raise RecordError("image-not-file-name", key=key, found=name)
    if not isinstance(root, Path):
        return root(name)
    folder = Path(os.path.abspath(root))
    try:
        path = Path(os.path.normpath(folder / name))
        is_inside = path.is_relative_to(folder) and Path(os.path.realpath(path)).is_relative_to(_real_folder(folder))
    except (OSError, ValueError) as error:  # not a valid file name
        raise RecordError("image-name-invalid", key=key, name=name, reason=str(error)) from None
    if not is_inside:
        raise RecordError("image-outside-folder", image=name, folder=folder)
    return path


@lru_cache(maxsize=8)
def _real_folder(folder: Path) -> Path:
    return Path(os.path.realpath(folder))
