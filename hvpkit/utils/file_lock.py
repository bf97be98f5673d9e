"""One process at a time at what several may be told to write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from hvpkit.errors import InputError


@contextmanager
def exclusive_lock(lock: Path, refusal: InputError) -> Iterator[None]:
    """Hold a lock file, which goes away in the end, with folders that were made for it and stayed empty.

    Raises `refusal` when another process holds it.
    """
    made = [parent for parent in lock.parents if not parent.exists()]
    lock.parent.mkdir(parents=True, exist_ok=True)
    holding = FileLock(lock, timeout=0)
    try:
        holding.acquire()
    except Timeout:
        raise refusal from None
    try:
        yield
    finally:
        with suppress(PermissionError):  # Windows removes no file that is open
            lock.unlink(missing_ok=True)  # while it is held: nobody waits for it
        holding.release()
        for parent in made:
            with suppress(OSError):  # something is in it by now
                parent.rmdir()
