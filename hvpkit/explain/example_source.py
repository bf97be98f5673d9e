"""What to explain: one text of the user's, or chosen examples of prepared data (no torch)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from hvpkit.data.prepared import PreparedData, open_prepared
from hvpkit.errors import DataError, InputError, did_you_mean
from hvpkit.saving.model_folder import ModelFolder
from hvpkit.types import Box, Example, Split, VisualObject

KINDS = ("gates", "attention")
FORMATS = (".pdf", ".png", ".svg")
GENERATOR = "hvp explain"  # what a page says that it was written by


@dataclass(frozen=True)
class ExampleSource:
    """One split of prepared data; `where` names both."""

    data: PreparedData
    split: Split
    examples: Sequence[Example]

    @property
    def where(self) -> str:
        """Name the split and its data."""
        return f"{self.split} of {self.data.manifest.name}"

    def named(self, names: Sequence[str]) -> list[Example]:
        """Find examples by their ids; raises DataError for one that is not there."""
        known = {example.id: example for example in self.examples}
        missing = next((name for name in names if name not in known), None)
        if missing is not None:
            raise DataError("example-unknown", data=self.where, example=missing, hint=did_you_mean(missing, list(known)[:2000]))
        return [known[name] for name in names]

    def first(self, count: int) -> list[Example]:
        """Give the first examples that have an image."""
        return [example for example in self.examples if example.image is not None][:count]


def open_example_source(folder: ModelFolder, data: Path | None, split: Split) -> ExampleSource:
    """Open a split of `data`, or of the model's own; raises DataError when it is for another task, or empty."""
    opened = open_prepared(data or folder.recipe.data.path)
    if opened.manifest.task != folder.recipe.task:
        raise DataError("task-mismatch", data=opened.folder, found=opened.manifest.task, expected=folder.recipe.task)
    examples = opened.examples(split)
    if not examples:
        raise DataError("no-split-examples", data=opened.folder, split=split)
    return ExampleSource(opened, split, examples)


def parse_crop(given: str) -> VisualObject:
    """Read `--crop`: a crop's file, or a box as left,top,right,bottom in pixels of the image; raises DataError."""
    file = Path(given)
    edges = given.split(",")
    if file.exists() or len(edges) != 4:
        return VisualObject(image=file)
    try:
        box = Box(*(float(edge) for edge in edges))
    except ValueError:
        raise DataError("crop-malformed", given=given) from None
    if not (box.left < box.right and box.top < box.bottom):
        raise DataError("crop-inverted", given=given)
    return VisualObject(box=box)


def figure_kind(file: Path) -> str:
    """Give what a figure's name asks for: gates or attention; raises InputError."""
    kind = next((kind for kind in KINDS if file.name.startswith(kind)), None)
    if kind is None or file.suffix.lower() not in FORMATS:
        raise InputError("figure-name", file=file, formats=FORMATS)
    return kind


def check_page(file: Path) -> None:
    """Refuse a folder, and a file that is there and is no page of ours; raises InputError."""
    if file.is_dir():
        raise InputError("page-is-folder", file=file)
    if file.is_file() and file.stat().st_size:
        with file.open("rb") as stream:
            if f'"generator" content="{GENERATOR}"'.encode() not in stream.read(4096):
                raise InputError("page-is-foreign", file=file)


def check_figures(files: Sequence[Path]) -> None:
    """Refuse figures that cannot be drawn: by their names, or without matplotlib; raises InputError."""
    for file in files:
        figure_kind(file)
    if files and find_spec("matplotlib") is None:
        raise InputError("figure-needs-matplotlib")
