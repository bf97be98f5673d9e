"""Progress bars of long loops, shown by a replaceable backend; silent by default."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TypeVar

T = TypeVar("T")


class ProgressBar(Protocol):
    """Progress of one loop."""

    def advance(self, steps: int = 1) -> None:
        """Count finished steps."""


class ProgressBackend(Protocol):
    """Shows progress bars, on a terminal or in an application."""

    def start(self, description: str, total: int | None) -> AbstractContextManager[ProgressBar]:
        """Open a bar of `total` steps (None: unknown); several bars may be open."""


class _Silent:
    def start(self, description: str, total: int | None) -> AbstractContextManager[ProgressBar]:
        return nullcontext(self)

    def advance(self, steps: int = 1) -> None:
        pass


SILENT: ProgressBackend = _Silent()
_backend = SILENT


def set_backend(backend: ProgressBackend) -> ProgressBackend:
    """Set the backend of this process (`SILENT`: no bars) and return the previous one."""
    global _backend
    previous, _backend = _backend, backend
    return previous


def progress(description: str, total: int | None = None) -> AbstractContextManager[ProgressBar]:
    """Open a bar for a loop that advances it explicitly."""
    return _backend.start(description, total)


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Iterate over items with a progress bar.

    Args:
        items: Items to iterate over.
        description: Text next to the bar.
        total: Number of items; by default their length, if they have one.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    with progress(description, total) as bar:
        for item in items:
            yield item
            bar.advance()
