"""The one family of errors that hvpkit raises; the command line prints the message and exits with `exit_code`."""

from __future__ import annotations

import difflib
import sysconfig
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hvpkit.messages import LocatedMessage, Message

TRACEBACK_HINT = "HVP_TRACEBACK=1 hvp ... shows how it came to it"
MOST_NAMED = 40  # names in one message


class HvpkitError(Exception):
    """A valid request failed; the message says what to do next (exit code 1).

    Args:
        code: Code of a template in `hvpkit.messages`; or, in plugins, a whole sentence, whose code is "custom".
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
        """Return the single problems of an error that lists several."""
        return list(self.fields.get("problems", ()))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the message, so that an error keeps its code between processes."""
        return type(self), (self.message,)


class InputError(HvpkitError):
    """What the user gave cannot work: the message says where, what was expected and what to do (exit code 2)."""

    exit_code = 2


class RecipeError(InputError):
    """A recipe cannot be read; the message lists every problem with its file and line."""


class PlanError(InputError):
    """A plan of experiments cannot be read or carried out; the message lists every problem with its file and line."""


class ComponentError(InputError):
    """A component is unknown, registered twice, or cannot work with its neighbours."""


class DataError(InputError):
    """A dataset, or one record of it, cannot be used."""


class ImageError(InputError):
    """One image cannot be decoded."""


class MissingImageError(ImageError):
    """An image is not there."""


class ModelFolderError(InputError):
    """A model folder, encoder or weights file cannot be opened."""


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """End a message about an unknown name: the nearest valid names first, else all of them.

    Example: `f"unknown gate {name!r}{choices(name, gates)}"`.
    """
    known = sorted(names)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    if near:
        return f"; did you mean {' or '.join(near)}?"
    if not known:
        return "; none are available"
    more = f" and {len(known) - MOST_NAMED} more" if len(known) > MOST_NAMED else ""
    return f"; available: {', '.join(known[:MOST_NAMED])}{more}"


def blame_frame(error: BaseException, home: Path | None = None) -> str:
    """Give the file and line that an unexpected error is most likely to be blamed on.

    That is the last one within `home`, a file or folder, else the last one of no library, which is seldom at fault.
    """
    frames = traceback.extract_tb(error.__traceback__)
    at_home = [frame for frame in frames if home is not None and Path(frame.filename).is_relative_to(home)]
    last = (at_home or [frame for frame in frames if not _is_library(frame.filename)] or frames)[-1]
    return f"{last.filename}:{last.lineno}"


def _is_library(file: str) -> bool:
    """Tell files of Python and of installed packages, but for hvpkit's own and its plugins'."""
    parts = Path(file).parts
    package = next((parts[parts.index(place) + 1] for place in ("site-packages", "dist-packages") if place in parts), None)
    return "hvpkit" not in package if package else file.startswith(("<frozen", sysconfig.get_path("stdlib")))
