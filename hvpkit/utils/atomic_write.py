"""Apply the user's umask to files created with private permissions."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

SPECIAL = 0o7000  # set-user-id, set-group-id and sticky bits


def apply_umask(paths: Iterable[Path]) -> None:
    """Set the permissions that newly created files and folders have under the umask.

    Temporary files and folders are created for their owner only; call this before they are moved into place.
    """
    mask = os.umask(0)
    os.umask(mask)
    for path in paths:
        path.chmod(path.stat().st_mode & SPECIAL | (0o777 if path.is_dir() else 0o666) & ~mask)
