"""Who may read what is written: whoever the user's umask lets, though drafts are made for their owner alone (no torch)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

SPECIAL = 0o7000  # such as a folder's own group for all that is made in it


def apply_umask(paths: Iterable[Path]) -> None:
    """Give files and folders the permissions that plainly made ones have."""
    mask = os.umask(0)
    os.umask(mask)
    for path in paths:
        path.chmod(path.stat().st_mode & SPECIAL | (0o777 if path.is_dir() else 0o666) & ~mask)
