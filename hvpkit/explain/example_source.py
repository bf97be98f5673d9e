"""Examples to explain, from prepared data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hvpkit.data.prepared import PreparedData, open_for
from hvpkit.errors import DataError, did_you_mean
from hvpkit.saving.model_folder import ModelFolder
from hvpkit.types import Example, Split


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
