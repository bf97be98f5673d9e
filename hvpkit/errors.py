"""Exceptions that hvpkit raises; the command line prints their message and exits with `exit_code`."""

from __future__ import annotations

import difflib
import sysconfig
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hvpkit.messages import LocatedMessage, Message

TRACEBACK_HINT = "Set HVP_TRACEBACK=1 for the full traceback."
MAX_NAMES = 40  # in one message


class HvpkitError(Exception):
    """A valid request failed (exit code 1).

    Args:
        code: Code of a template in `hvpkit.messages`; or, in plugins, a complete sentence, whose code is "custom".
        fields: Values for the fields of the template.
    """

    exit_code = 1

    def __init__(self, code: str, /, **fields: Any) -> None:  # noqa: ANN401 - fields hold anything
        if not isinstance(code, Message) and not fields and " " in code:
            code, fields = "custom", {"text": code}
        self.message = code if isinstance(code, Message) else Message(code, **fields)
        super().__init__(self.message)

    @property
    def code(self) -> str:
        """Return the stable code of the message."""
        return self.message.code

    @property
    def fields(self) -> dict[str, Any]:
        """Return the values in the message by name."""
        return self.message.fields

    @property
    def problems(self) -> list[LocatedMessage]:
        """Return the individual problems of an error that lists several."""
        return list(self.fields.get("problems", ()))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the message, so that an error keeps its code between processes."""
        return type(self), (self.message,)


class InputError(HvpkitError):
    """The input of the user is invalid (exit code 2)."""

    exit_code = 2


class RecipeError(InputError):
    """A recipe cannot be read; the message lists every problem with its file and line."""


class PlanError(InputError):
    """A plan of experiments cannot be read or run; the message lists every problem with its file and line."""


class ComponentError(InputError):
    """A component is unknown, registered twice, or incompatible with the other components."""


class DataError(InputError):
    """A dataset, or one record of it, cannot be used."""


class ImageError(InputError):
    """One image cannot be decoded."""


class MissingImageError(ImageError):
    """The file of an image does not exist."""


class ModelFolderError(InputError):
    """A model folder, encoder or weights file cannot be loaded."""


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Format a hint for an unknown name, to be placed at the end of a message.

    Args:
        name: The unknown name.
        names: The valid names.

    Returns:
        The most similar valid names; without a similar one, all of them.
    """
    known = sorted(names)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    if near:
        return f"; did you mean {' or '.join(near)}?"
    if not known:
        return "; none are available"
    more = f" and {len(known) - MAX_NAMES} more" if len(known) > MAX_NAMES else ""
    return f"; available: {', '.join(known[:MAX_NAMES])}{more}"


def blame_frame(error: BaseException, home: Path | None = None) -> str:
    """Return the file and line that most likely caused an unexpected error.

    Args:
        error: The error.
        home: File or folder of the code that was called; its last frame is preferred.

    Returns:
        `file:line` of the last frame in `home`; without one, of the last frame outside of installed packages.
    """
    frames = traceback.extract_tb(error.__traceback__)
    at_home = [frame for frame in frames if home is not None and Path(frame.filename).is_relative_to(home)]
    last = (at_home or [frame for frame in frames if not _is_library(frame.filename)] or frames)[-1]
    return f"{last.filename}:{last.lineno}"


def _is_library(file: str) -> bool:
    """Check whether a file belongs to Python or to an installed package other than hvpkit and its plugins."""
    parts = Path(file).parts
    folder = next((name for name in ("site-packages", "dist-packages") if name in parts), None)
    package = parts[parts.index(folder) + 1] if folder else None
    return "hvpkit" not in package if package else file.startswith(("<frozen", sysconfig.get_path("stdlib")))
