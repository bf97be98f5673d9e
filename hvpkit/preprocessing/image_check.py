"""Find images that cannot be decoded, in worker processes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from hvpkit.errors import ImageError
from hvpkit.images.decode import check_image
from hvpkit.messages import Message
from hvpkit.types import Example, ImageSource, VisualObject
from hvpkit.utils.parallel import WorkerPool

MIN_IMAGES_FOR_WORKERS = 200  # below, starting worker processes takes longer than checking


def find_unreadable(examples: Iterable[Example], workers: int | None = None) -> dict[Path, Message]:
    """Decode every image and crop and return the errors of those that cannot be decoded.

    Args:
        examples: Examples.
        workers: Number of worker processes; None: the default of `WorkerPool`.

    Returns:
        Error messages by file.

    Raises:
        HvpkitError: A worker process died.
    """
    with WorkerPool(_error, few=MIN_IMAGES_FOR_WORKERS, count=workers) as pool:
        return dict(error for error in pool.ordered_map(image_paths(examples)) if error is not None)


def drop_images(examples: Iterable[Example], errors: Mapping[Path, str]) -> Iterator[Example]:
    """Remove unreadable images and crops from examples; the boxes of an image are removed with it.

    Args:
        examples: Examples.
        errors: Errors by file, as `find_unreadable` returns them.
    """
    return (_drop_images(example, errors) if errors else example for example in examples)


def image_paths(examples: Iterable[Example]) -> Iterator[Path]:
    """Yield every image and crop file of the examples once."""
    hashes: set[int] = set()  # instead of paths, to save memory
    for example in examples:
        for path in (example.image, *(item.image for item in example.objects)):
            if isinstance(path, Path) and (number := hash(path)) not in hashes:
                hashes.add(number)
                yield path


def _drop_images(example: Example, errors: Mapping[Path, str]) -> Example:
    image = None if example.image in errors else example.image
    objects = (_drop_crop(item, image, errors) for item in example.objects)
    return replace(example, image=image, objects=tuple(item for item in objects if item))


def _drop_crop(item: VisualObject, image: ImageSource | None, errors: Mapping[Path, str]) -> VisualObject | None:
    if item.image is not None and item.image in errors:
        item = replace(item, image=None)
    return item if item.image is not None or (item.box is not None and image is not None) else None


def _error(path: Path) -> tuple[Path, Message] | None:
    try:
        check_image(path)
    except ImageError as error:
        return path, error.message
    return None
