"""Who may read what is written: whoever the user's umask lets, though drafts are made for their owner alone (no torch)."""

from __future__ import annotations

import os
from pathlib import Path


def open_to_others(path: Path) -> None:
    """Give a file or folder the permissions that a plainly made one has."""
    mask = os.umask(0)
    os.umask(mask)
    path.chmod((0o777 if path.is_dir() else 0o666) & ~mask)
