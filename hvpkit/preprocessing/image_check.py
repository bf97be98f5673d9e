"""Which images of a dataset can be decoded, tried in worker processes (no torch)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from hvpkit.errors import ImageError
from hvpkit.images.decode import check_image
from hvpkit.messages import Message
from hvpkit.types import Example, VisualObject
from hvpkit.utils.parallel import WorkerPool

FEW = 200  # images that are checked sooner than processes start


def find_unreadable(examples: Iterable[Example], workers: int | None = None) -> dict[Path, Message]:
    """Try every image and crop and give the faults of those that cannot be decoded; raises HvpkitError when a worker dies."""
    with WorkerPool(_fault, few=FEW, count=workers) as pool:
        return dict(fault for fault in pool.ordered_map(image_paths(examples)) if fault is not None)


def drop_images(examples: Iterable[Example], faults: Mapping[Path, str]) -> Iterator[Example]:
    """Take the images and crops with faults away from examples; boxes go with their image."""
    return (_without(example, faults) if faults else example for example in examples)


def image_paths(examples: Iterable[Example]) -> Iterator[Path]:
    """Give every image and crop file of the examples once; of those that were given, a number each is remembered."""
    given: set[int] = set()
    for example in examples:
        for path in (example.image, *(thing.image for thing in example.objects)):
            if path is not None and (number := hash(path)) not in given:
                given.add(number)
                yield path


def _without(example: Example, faults: Mapping[Path, str]) -> Example:
    image = None if example.image in faults else example.image
    objects = tuple(thing for item in example.objects if (thing := _object_without(item, image, faults)))
    return replace(example, image=image, objects=objects)


def _object_without(item: VisualObject, image: Path | None, faults: Mapping[Path, str]) -> VisualObject | None:
    if item.image is not None and item.image in faults:
        item = replace(item, image=None)
    return item if item.image is not None or (item.box is not None and image is not None) else None


def _fault(path: Path) -> tuple[Path, Message] | None:
    try:
        check_image(path)
    except ImageError as error:
        return path, error.message
    return None
