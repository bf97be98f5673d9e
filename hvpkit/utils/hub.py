"""Load pretrained models and tokenizers from Hugging Face hub ids or local folders."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from hvpkit.errors import HvpkitError, ModelFolderError
from hvpkit.messages import Message

log = logging.getLogger(__name__)
T = TypeVar("T")
TIMEOUT_SECONDS = 5.0


def looks_like_path(name: str) -> bool:
    """Check whether a name is a path (`./x`, `/x`, `~/x`, `a/b/c`, a folder) or a hub id (`x`, `owner/x`)."""
    return name.startswith((".", "/", "~")) or "\\" in name or name.count("/") > 1 or Path(name).is_dir()


def load_pretrained(name: str, what: str, option: str, load: Callable[[str, bool], T]) -> T:
    """Load a local folder, or a hub id from the cache and otherwise from the hub.

    Args:
        name: Local folder or hub id.
        what: Kind of object, for errors, such as "text encoder".
        option: Recipe key that accepts a local folder instead, for errors, such as "text.name".
        load: Called with the folder or id and `local_files_only`.

    Returns:
        The result of `load`.

    Raises:
        ModelFolderError: "pretrained-folder-missing", "pretrained-not-opened", or within seconds "hub-offline",
            "hub-refused" or "hub-unreachable" if the id is neither cached nor reachable.
    """
    if looks_like_path(name):
        folder = Path(name).expanduser()
        if not folder.is_dir():
            raise ModelFolderError("pretrained-folder-missing", kind=what, folder=name, option=option)
        return _open(str(folder), True, what, load)
    try:
        return _open(name, True, what, load)
    except ModelFolderError as error:
        if not isinstance(error.__cause__, OSError):  # cached, but broken
            raise
    _require_hub(name, what, option)
    return _open(name, False, what, load)


def require_weights(report: Mapping[str, Any], optional: str) -> None:
    """Check that all tensors were loaded; transformers only warns and initializes missing ones at random.

    Args:
        report: Loading info of `from_pretrained`, with "missing_keys" and "mismatched_keys".
        optional: Part of the names of tensors that may be missing.

    Raises:
        ValueError: "weights-incomplete" if tensors are missing or have another shape.
    """
    missing = sorted({*report["missing_keys"], *(name for name, *_ in report["mismatched_keys"])})
    missing = [name for name in missing if optional not in name]
    if missing:
        names = missing if len(missing) <= 3 else [*missing[:3], "..."]
        raise ValueError(Message("weights-incomplete", count=len(missing), names=names))


def _open(name: str, local: bool, what: str, load: Callable[[str, bool], T]) -> T:
    started = time.perf_counter()
    try:
        loaded = load(name, local)
    except HvpkitError:
        raise
    except Exception as error:  # invalid files can raise any exception in the library
        raise ModelFolderError("pretrained-not-opened", kind=what, name=name, reason=_first_line(error)) from error
    log.debug(Message("pretrained-loaded", kind=what, name=name, seconds=time.perf_counter() - started))
    return loaded


def _require_hub(name: str, what: str, option: str) -> None:
    """Request the id from the hub once, since loading would retry for half a minute."""
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HfHubHTTPError

    if constants.HF_HUB_OFFLINE:
        raise ModelFolderError("hub-offline", kind=what, name=name, option=option)
    try:
        HfApi().model_info(name, timeout=TIMEOUT_SECONDS)
    except HfHubHTTPError as error:
        raise ModelFolderError("hub-refused", kind=what, name=name, option=option, reason=_first_line(error)) from error
    except Exception as error:  # exception classes of the HTTP client differ between versions of huggingface_hub
        raise ModelFolderError("hub-unreachable", kind=what, name=name, option=option) from error


def _first_line(error: Exception) -> str:
    """Return the Message that an error was raised with, or else the first line of its text."""
    if error.args and isinstance(error.args[0], Message):
        return error.args[0]
    return (str(error).strip() or type(error).__name__).partition("\n")[0]
