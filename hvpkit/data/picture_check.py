"""Which pictures of a dataset can be decoded, tried in worker processes (no torch)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from hvpkit.errors import PictureError
from hvpkit.types import Example, VisualObject
from hvpkit.vision.pictures import check_picture
from hvpkit.workers import Workers

FEW = 200  # pictures that are checked sooner than processes start


def unreadable(paths: Sequence[Path], advance: Callable[[int], None], workers: int | None = None) -> dict[Path, str]:
    """Try every picture and give the faults of those that cannot be decoded; `advance` is told of each one tried.

    Raises HvpkitError when a worker dies.
    """
    found: dict[Path, str] = {}
    with Workers(_fault, few=FEW, count=workers) as pool:
        for path, fault in zip(paths, pool.map(paths), strict=True):
            if fault is not None:
                found[path] = fault
            advance(1)
    return found


def without(examples: Iterable[Example], faults: dict[Path, str]) -> list[Example]:
    """Take the pictures and crops with faults away from examples; boxes go with their picture."""
    return [_without(example, faults) if faults else example for example in examples]


def pictures_of(examples: Iterable[Example]) -> list[Path]:
    """List every picture and crop file of the examples once."""
    files = (path for example in examples for path in (example.image, *(thing.image for thing in example.objects)) if path)
    return list(dict.fromkeys(files))


def _without(example: Example, faults: dict[Path, str]) -> Example:
    image = None if example.image in faults else example.image
    objects = tuple(thing for item in example.objects if (thing := _object_without(item, image, faults)))
    return replace(example, image=image, objects=objects)


def _object_without(item: VisualObject, image: Path | None, faults: dict[Path, str]) -> VisualObject | None:
    if item.image is not None and item.image in faults:
        item = replace(item, image=None)
    return item if item.image is not None or (item.box is not None and image is not None) else None


def _fault(path: Path) -> str | None:
    try:
        check_picture(path)
    except PictureError as error:
        return str(error)
    return None
