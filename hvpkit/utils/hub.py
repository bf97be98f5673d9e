"""Hub ids and local folders: one way to open both, with errors that help where there is no network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from hvpkit.errors import HvpkitError, ModelFolderError
from hvpkit.messages import Message

Opened = TypeVar("Opened")
TIMEOUT_SECONDS = 5.0


def looks_like_path(name: str) -> bool:
    """Tell a path (`./x`, `/x`, `~/x`, `a/b/c`, an existing folder) from a hub id (`x` or `owner/x`)."""
    return name.startswith((".", "/", "~")) or "\\" in name or name.count("/") > 1 or Path(name).is_dir()


def load_pretrained(name: str, what: str, option: str, open_it: Callable[[str, bool], Opened]) -> Opened:
    """Call `open_it(folder or id, local_files_only)`: a folder as it is, a hub id from the cache first, then from the hub.

    `what` names the thing in errors ("text encoder"), `option` the recipe key that takes a folder instead ("text.name"). Raises
    ModelFolderError within seconds when the id is neither cached nor reachable.
    """
    if looks_like_path(name):
        folder = Path(name).expanduser()
        if not folder.is_dir():
            raise ModelFolderError("pretrained-folder-missing", kind=what, folder=name, option=option)
        return _open(str(folder), True, what, open_it)
    try:
        return _open(name, True, what, open_it)
    except ModelFolderError as error:
        if not isinstance(error.__cause__, OSError):  # it is cached, but no good
            raise
    _require_hub(name, what, option)
    return _open(name, False, what, open_it)


def require_weights(report: Mapping[str, Any], optional: str) -> None:
    """Refuse weights that lack tensors, or have them in another shape: the library would only warn and make them up.

    `report` is what it tells of its loading; names with `optional` in them may be missing. Raises ValueError.
    """
    lacking = sorted({*report["missing_keys"], *(name for name, *_ in report["mismatched_keys"])})
    lacking = [name for name in lacking if optional not in name]
    if lacking:
        shown = lacking if len(lacking) <= 3 else [*lacking[:3], "..."]
        raise ValueError(Message("weights-incomplete", count=len(lacking), names=shown))


def _open(name: str, local: bool, what: str, open_it: Callable[[str, bool], Opened]) -> Opened:
    try:
        return open_it(name, local)
    except HvpkitError:
        raise
    except Exception as error:  # a stranger's files make the library raise anything at all
        raise ModelFolderError("pretrained-not-opened", kind=what, name=name, reason=_first_line(error)) from error


def _require_hub(name: str, what: str, option: str) -> None:
    """Ask the hub once for the id: its client would retry for half a minute before it gave up."""
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HfHubHTTPError

    if constants.HF_HUB_OFFLINE:
        raise ModelFolderError("hub-offline", kind=what, name=name, option=option)
    try:
        HfApi().model_info(name, timeout=TIMEOUT_SECONDS)
    except HfHubHTTPError as error:
        raise ModelFolderError("hub-refused", kind=what, name=name, option=option, reason=_first_line(error)) from error
    except Exception as error:  # the HTTP client's own classes differ between releases of the hub library
        raise ModelFolderError("hub-unreachable", kind=what, name=name, option=option) from error


def _first_line(error: Exception) -> str:
    """Give the message that an error was raised with, or else the first line of its text."""
    if error.args and isinstance(error.args[0], Message):
        return error.args[0]
    return (str(error).strip() or type(error).__name__).partition("\n")[0]
