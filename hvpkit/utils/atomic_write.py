"""Write files and directories atomically: beside their place, flushed to disk, then renamed.

A draft is named `.NAME~RANDOM`. It is removed after an error; `remove_drafts` removes those of killed processes.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path

from hvpkit.errors import InputError

SPECIAL = 0o7000  # set-user-id, set-group-id and sticky bits
MAX_FLUSHES = 100  # files that are flushed one by one


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Write a file atomically, replacing an older one; missing parent directories are created.

    Args:
        path: File to write. A pipe or device, which cannot be replaced, is written directly.

    Yields:
        An empty draft with the suffix of `path`, to be written in the block.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        yield path
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=_prefix(path), suffix=path.suffix, dir=path.parent)
    os.close(descriptor)
    draft = Path(name)
    try:
        yield draft
        _apply_umask(draft)
        _flush(draft)
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _flush(path.parent)


@contextmanager
def atomic_directory(path: Path, replace: bool = False) -> Iterator[Path]:
    """Write a directory atomically; missing parent directories are created.

    Args:
        path: Directory to write.
        replace: Whether an older directory is replaced; the caller has checked it and locks out other processes.

    Yields:
        An empty draft, to be filled in the block.

    Raises:
        OSError: `path` has files and `replace` is false, or the draft cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = _create_draft_directory(path)
    try:
        yield draft
        entries = [entry for entry in (*draft.rglob("*"), draft) if not entry.is_symlink()]
        for entry in entries:
            _apply_umask(entry)
        _flush(*entries)
        _rename_directory(draft, path, replace)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    _flush(path.parent)


def _rename_directory(draft: Path, path: Path, replace: bool) -> None:
    if not (replace and path.exists()):
        os.rename(draft, path)
        return
    old = _create_draft_directory(path)
    os.rename(path, old / path.name)
    try:
        os.rename(draft, path)
    except BaseException:
        os.rename(old / path.name, path)
        old.rmdir()
        raise
    shutil.rmtree(old, ignore_errors=True)


def remove_drafts(path: Path) -> None:
    """Remove the drafts that killed processes left of a file or directory; the caller locks out other processes."""
    for draft in path.parent.glob(f"{escape(_prefix(path))}*"):
        if draft.is_dir():
            shutil.rmtree(draft, ignore_errors=True)
        else:
            draft.unlink(missing_ok=True)


def check_overwrite(path: Path, is_ours: Callable[[Path], bool] = lambda path: False) -> None:
    """Check that an output does not exist, or that it may be replaced.

    Args:
        path: File or directory to write.
        is_ours: Returns whether an existing file or directory may be replaced; it may raise a more specific error.

    Raises:
        InputError: "output-exists" if the output exists and may not be replaced.
    """
    if os.path.lexists(path) and not is_ours(path):
        raise InputError("output-exists", output=path)


def _prefix(path: Path) -> str:
    return f".{path.name}~"


def _create_draft_directory(path: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix=_prefix(path), dir=path.parent))


def _apply_umask(path: Path) -> None:
    """Set the permissions that new files have under the umask; drafts, and files of some libraries, are private."""
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(path.stat().st_mode & SPECIAL | (0o777 if path.is_dir() else 0o666) & ~mask)


def _flush(*paths: Path) -> None:
    """Flush files and directories to disk."""
    if len(paths) > MAX_FLUSHES and sys.platform == "linux":
        os.sync()  # everything, which takes a hundredth of the time of thousands of single files
        return
    for path in paths:
        if os.name == "nt" and path.is_dir():  # which Windows cannot open
            continue
        descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
