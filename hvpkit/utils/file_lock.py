"""Exclusive file lock for outputs that several processes might write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from hvpkit.errors import InputError


@contextmanager
def exclusive_lock(lock: Path, refusal: InputError) -> Iterator[None]:
    """Hold a lock file inside the block, then delete it with the empty folders that were created for it.

    Args:
        lock: Lock file; missing parent folders are created.
        refusal: Error to raise if another process holds the lock.

    Raises:
        InputError: `refusal`.
    """
    created = [parent for parent in lock.parents if not parent.exists()]
    lock.parent.mkdir(parents=True, exist_ok=True)
    file_lock = FileLock(lock, timeout=0)
    try:
        file_lock.acquire()
    except Timeout:
        raise refusal from None
    try:
        yield
    finally:
        with suppress(PermissionError):  # Windows cannot delete an open file
            lock.unlink(missing_ok=True)  # before the release, so that no other process holds the deleted file
        file_lock.release()
        for parent in created:
            with suppress(OSError):  # not empty
                parent.rmdir()
