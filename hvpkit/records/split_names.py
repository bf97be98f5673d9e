"""Names of splits in the names of files and folders."""

from __future__ import annotations

import re

from hvpkit.types import Split

SPLIT_NAMES: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "valid": "dev",
    "validation": "dev",
    "val": "dev",
    "dev": "dev",
    "test": "test",
}


def split_from_name(name: str) -> Split | None:
    """Return the split that a folder or file stem is named after, None if there is none."""
    return SPLIT_NAMES.get(name.strip().lower())


def split_in_name(name: str) -> Split | None:
    """Return the split that the first or last word of a file name names, as in `mnre_train.txt` or `dev.bio.conll`.

    Args:
        name: Name of a file with its endings, or of a folder.
    """
    words = [word for word in re.split(r"[._\-\s]+", name.lower()) if word]
    stem = re.split(r"[._\-\s]+", name.split(".")[0].lower())
    return next((SPLIT_NAMES[word] for word in (*words[:1], *stem[-1:], *stem) if word in SPLIT_NAMES), None)
