"""Which pictures of a dataset can be decoded, tried in worker processes (no torch)."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

from hvpkit.errors import HvpkitError, PictureError
from hvpkit.types import Example, VisualObject
from hvpkit.vision.pictures import check_picture

FEW = 200  # pictures that are checked sooner than processes start
CHUNK = 16


def unreadable(paths: Sequence[Path], advance: Callable[[int], None], workers: int | None = None) -> dict[Path, str]:
    """Try every picture and give the faults of those that cannot be decoded; `advance` is told of each one tried.

    Raises HvpkitError when a worker dies.
    """
    workers = min(workers or os.cpu_count() or 1, 16)
    found: dict[Path, str] = {}
    with _faults(paths, workers if len(paths) > FEW else 1) as faults:
        for path, fault in zip(paths, faults, strict=True):
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


@contextmanager
def _faults(paths: Sequence[Path], workers: int) -> Iterator[Iterator[str | None]]:
    if workers == 1:
        yield map(_fault, paths)
        return
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_leave_interrupts_to_the_parent)
    try:
        yield pool.map(_fault, paths, chunksize=CHUNK)
    except BrokenProcessPool as error:
        raise HvpkitError(
            "a process that checks pictures died: memory ran out, or a file crashes the decoder (in a script of your own, call this "
            "under `if __name__ == '__main__':`)"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _fault(path: Path) -> str | None:
    try:
        check_picture(path)
    except PictureError as error:
        return str(error)
    return None


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
