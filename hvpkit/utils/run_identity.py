"""Identity of a run that can be resumed, in `run.json` beside its results: the same run continues, others are refused.

An identity is a mapping of JSON values: recipe, fingerprint of the data, versions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hvpkit.errors import InputError
from hvpkit.messages import Message
from hvpkit.utils.atomic_write import atomic_file

FILE = "run.json"
UNSET = "unset"  # shown for a setting that one identity lacks
LIBRARIES = ("hvpkit", "torch", "transformers")


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that determine results."""
    return {name: version(name) for name in LIBRARIES}


def write_identity(file: Path, identity: Mapping[str, Any]) -> None:
    """Write the identity of a run that starts.

    Args:
        file: `run.json` of the run.
        identity: Identity of the run.
    """
    with atomic_file(file) as draft:
        text = json.dumps(identity, indent=2, ensure_ascii=False)
        draft.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")  # paths may not be UTF-8


def load_identity(file: Path) -> dict[str, Any] | None:
    """Read the identity of an earlier run; None if there is none.

    Raises:
        InputError: "run-file-damaged" if the file cannot be read.
    """
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise InputError("run-file-damaged", file=file, reason=str(error)) from error


def check_identity(run: str, folder: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Check that a run is the one that was started.

    Args:
        run: Name of the run.
        folder: Folder that holds its results.
        before: Identity of the earlier run.
        now: Identity of this run.

    Raises:
        InputError: "run-mismatch" with a message "setting-differs" for each setting.
    """
    if differences := diff_settings(before, now):
        raise InputError("run-mismatch", run=run, folder=folder, differences=differences)


def diff_settings(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Message]:
    """List the settings in which two mappings of JSON values differ, by dotted key.

    Args:
        before: Earlier settings.
        now: Later settings.
    """
    old, new = (dict(_flatten(settings)) for settings in (before, now))
    pairs = ((key, old.get(key, UNSET), new.get(key, UNSET)) for key in sorted(old.keys() | new.keys()))
    differing = [pair for pair in pairs if repr(pair[1]) != repr(pair[2])]  # 0 and 0.0 differ
    return [Message("setting-differs", key=key, before=str(first), now=str(second)) for key, first, second in differing]


def _flatten(value: Any, prefix: str = "") -> Iterator[tuple[str, object]]:  # noqa: ANN401 - JSON
    if not isinstance(value, Mapping):
        yield prefix, list(value) if isinstance(value, tuple) else value
        return
    for key, inner in value.items():
        yield from _flatten(inner, f"{prefix}.{key}" if prefix else str(key))
