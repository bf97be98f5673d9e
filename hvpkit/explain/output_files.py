"""Checks of the files that explanations are written to."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from hvpkit.errors import InputError

KINDS = ("gates", "attention")
FORMATS = (".pdf", ".png", ".svg")
GENERATOR = "hvp explain"  # `generator` in the metadata of pages


def figure_kind(file: Path) -> str:
    """Return the kind of a figure from its file name: gates or attention.

    Raises:
        InputError: "figure-name" if the name begins with neither or has another extension.
    """
    kind = next((kind for kind in KINDS if file.name.startswith(kind)), None)
    if kind is None or file.suffix.lower() not in FORMATS:
        raise InputError("figure-name", file=file, formats=FORMATS)
    return kind


def check_page(file: Path) -> None:
    """Check that a page may be written to a file.

    Raises:
        InputError: "page-is-folder" for a folder, "page-is-foreign" for a file that is no page of `hvp explain`.
    """
    if file.is_dir():
        raise InputError("page-is-folder", file=file)
    if file.is_file() and file.stat().st_size:
        with file.open("rb") as stream:
            if f'"generator" content="{GENERATOR}"'.encode() not in stream.read(4096):
                raise InputError("page-is-foreign", file=file)


def check_figures(files: Sequence[Path]) -> None:
    """Check that figures can be drawn.

    Raises:
        InputError: "figure-name" for an unsuitable file name, "figure-needs-matplotlib" if matplotlib is not installed.
    """
    for file in files:
        figure_kind(file)
    if files and find_spec("matplotlib") is None:
        raise InputError("figure-needs-matplotlib")
