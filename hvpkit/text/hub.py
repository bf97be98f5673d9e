"""Hub ids and local folders: one way to open both, with errors that help where there is no network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from hvpkit.errors import HvpkitError, ModelFolderError

Opened = TypeVar("Opened")
TIMEOUT_SECONDS = 5.0


def looks_like_path(name: str) -> bool:
    """Tell a path (`./x`, `/x`, `~/x`, `a/b/c`, an existing folder) from a hub id (`x` or `owner/x`)."""
    return name.startswith((".", "/", "~")) or "\\" in name or name.count("/") > 1 or Path(name).is_dir()


def open_pretrained(name: str, what: str, option: str, open_it: Callable[[str, bool], Opened]) -> Opened:
    """Call `open_it(folder or id, local_files_only)`: a folder as it is, a hub id from the cache first, then from the hub.

    `what` names the thing in errors ("text encoder"), `option` the recipe key that takes a folder instead ("text.name"). Raises
    ModelFolderError within seconds when the id is neither cached nor reachable.
    """
    if looks_like_path(name):
        folder = Path(name).expanduser()
        if not folder.is_dir():
            raise ModelFolderError(f"{what}: there is no folder {name}; {option} takes a hub id or a local folder")
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
        shown = f"{', '.join(lacking[:3])}{', ...' if len(lacking) > 3 else ''}"
        raise ValueError(f"its weights lack {len(lacking)} tensors that its config asks for, or have them in another shape ({shown})")


def _open(name: str, local: bool, what: str, open_it: Callable[[str, bool], Opened]) -> Opened:
    try:
        return open_it(name, local)
    except HvpkitError:
        raise
    except Exception as error:  # a stranger's files make the library raise anything at all
        raise ModelFolderError(f"{what} {name!r} cannot be opened: {_first_line(error)}") from error


def _require_hub(name: str, what: str, option: str) -> None:
    """Ask the hub once for the id: its client would retry for half a minute before it gave up."""
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HfHubHTTPError

    way_out = f"give a local folder instead: --set {option}=/path/to/folder"
    if constants.HF_HUB_OFFLINE:
        raise ModelFolderError(f"{what} {name!r} is not in the local cache and HF_HUB_OFFLINE is set; {way_out}")
    try:
        HfApi().model_info(name, timeout=TIMEOUT_SECONDS)
    except HfHubHTTPError as error:
        raise ModelFolderError(f"{what} {name!r}: the model hub answers {_first_line(error)}; check the name, or {way_out}") from error
    except Exception as error:  # the HTTP client's own classes differ between releases of the hub library
        raise ModelFolderError(f"{what} {name!r} is not in the local cache and the model hub cannot be reached; {way_out}") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).partition("\n")[0]
