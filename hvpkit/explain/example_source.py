"""Examples to explain, from prepared data, and checks of the options of `hvp explain`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from hvpkit.data.prepared import PreparedData, open_for
from hvpkit.errors import DataError, InputError, did_you_mean
from hvpkit.records.codec import box_from_json
from hvpkit.records.issues import RecordError
from hvpkit.saving.model_folder import ModelFolder
from hvpkit.types import Example, Split, VisualObject

KINDS = ("gates", "attention")
FORMATS = (".pdf", ".png", ".svg")
GENERATOR = "hvp explain"  # `generator` in the metadata of pages


@dataclass(frozen=True)
class ExampleSource:
    """One split of prepared data.

    Attributes:
        data: The prepared data.
        split: The split.
        examples: Its examples.
    """

    data: PreparedData
    split: Split
    examples: Sequence[Example]

    @property
    def where(self) -> str:
        """Name of the split and its data, for messages."""
        return f"{self.split} of {self.data.manifest.name}"

    def named(self, names: Sequence[str]) -> list[Example]:
        """Return examples by their ids.

        Raises:
            DataError: "example-unknown" for an id that the split does not contain.
        """
        known = {example.id: example for example in self.examples}
        missing = next((name for name in names if name not in known), None)
        if missing is not None:
            raise DataError(
                "example-unknown", data=self.where, example=missing, hint=did_you_mean(missing, list(known)[:2000])
            )
        return [known[name] for name in names]

    def first(self, count: int) -> list[Example]:
        """Return the first examples that have an image."""
        return [example for example in self.examples if example.image is not None][:count]


def open_example_source(folder: ModelFolder, data: Path | None, split: Split) -> ExampleSource:
    """Open a split of prepared data.

    Args:
        folder: Model folder.
        data: Folder of the prepared data; None: the data that the model was trained on.
        split: The split.

    Raises:
        DataError: Codes of `open_for`.
    """
    opened = open_for(folder.recipe, data, split)
    return ExampleSource(opened, split, opened.examples(split))


def parse_crop(value: str) -> VisualObject:
    """Parse a value of `--crop`: the file of a crop, or a box left,top,right,bottom in pixels of the image.

    Raises:
        DataError: "crop-malformed" if it is neither, "crop-inverted" if the box is empty.
    """
    file = Path(value)
    edges = value.split(",")
    if file.exists() or len(edges) != 4:
        return VisualObject(image=file)
    try:
        return VisualObject(box=box_from_json([float(edge) for edge in edges]))
    except ValueError:
        raise DataError("crop-malformed", given=value) from None
    except RecordError:
        raise DataError("crop-inverted", given=value) from None


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
