"""Progress of long loops, shown by the backend that is set; nothing is shown unless one is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TypeVar

T = TypeVar("T")


class ProgressBar(Protocol):
    """The steps of one piece of work."""

    def advance(self, steps: int = 1) -> None:
        """Count steps that are done."""


class ProgressBackend(Protocol):
    """Shows bars on a terminal, or wherever an application wants them."""

    def start(self, description: str, total: int | None) -> AbstractContextManager[ProgressBar]:
        """Open a bar of `total` steps (None: unknown); bars may be opened while others are."""


class _Silent:
    def start(self, description: str, total: int | None) -> AbstractContextManager[ProgressBar]:
        return nullcontext(self)

    def advance(self, steps: int = 1) -> None:
        pass


SILENT: ProgressBackend = _Silent()
_backend = SILENT


def set_backend(backend: ProgressBackend) -> ProgressBackend:
    """Show the progress of this process through a backend (`SILENT`: not at all); returns the one before."""
    global _backend
    before, _backend = _backend, backend
    return before


def progress(description: str, total: int | None = None) -> AbstractContextManager[ProgressBar]:
    """Open a bar for a loop that counts its steps itself."""
    return _backend.start(description, total)


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Iterate over `items` with a bar; `total` is their number, where they have no length of their own."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with progress(description, total) as bar:
        for item in items:
            yield item
            bar.advance()
