"""Interface of dataset readers, and its input and output types."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hvpkit.data.readers.sample import Sample
from hvpkit.messages import Message
from hvpkit.records.issues import IssueLog
from hvpkit.types import Example, Labels, Split

RECOGNIZED = 0.5  # least certainty with which a format is taken


@dataclass(frozen=True)
class ImageNames:
    """Where the images of a user's data are, and how they are named.

    Attributes:
        folders: Folders of images, besides the folder of the data.
        pattern: File name of an image, with "{id}" for the id of its example, for examples that name none.
    """

    folders: tuple[Path, ...] = ()
    pattern: str | None = None

    def name(self, example_id: str) -> str | None:
        """Return the image name of an example by the pattern, None without a pattern."""
        return None if self.pattern is None else self.pattern.replace("{id}", example_id)


@dataclass(frozen=True)
class ReaderContext:
    """Arguments of every reader, passed before its own options.

    Attributes:
        root: Folder or file named by the user.
        stage: Empty folder that becomes the prepared folder; generated datasets write to `stage / "images"`.
        text_only: Whether images are ignored.
        issues: Log that counts issues of the data.
        images: Where images are, for data of a user.
    """

    root: Path
    stage: Path
    text_only: bool = False
    issues: IssueLog = field(default_factory=IssueLog)
    images: ImageNames = ImageNames()


@dataclass(frozen=True)
class ImageSearch:
    """Result of the search for images.

    Attributes:
        folders: Folders that were searched.
        missing: Images that were named but not found, by split, each once.
        missing_crops: The same for crops of objects.
        advice: What to do if no image was found.
        refused: Number and first message, by code, of images that were named but may not or cannot be used.
    """

    folders: tuple[Path, ...] = ()
    missing: Mapping[Split, tuple[str, ...]] = field(default_factory=dict)
    missing_crops: Mapping[Split, tuple[str, ...]] = field(default_factory=dict)
    advice: str = Message("name-images")
    refused: Mapping[str, tuple[int, Message]] = field(default_factory=dict)


@dataclass(frozen=True)
class ExampleStream:
    """Examples that are read again on each iteration instead of being kept in memory.

    Attributes:
        length: Number of examples.
        begin: Function that starts a new iteration.
    """

    length: int
    begin: Callable[[], Iterator[Example]]

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Example]:
        return self.begin()


@dataclass(frozen=True)
class DatasetSplits:
    """Dataset returned by a reader.

    Attributes:
        labels: Task and labels.
        splits: Examples of each split. Iterated once if images are generated, else several times.
        images_root: Folder that contains every image (`stage` for generated images), None without images.
        source: One line on where the data came from.
        facts: Further information that is stored in the manifest.
        search: Result of the image search, None if images are generated and need no check.
    """

    labels: Labels
    splits: Mapping[Split, Iterable[Example]]
    images_root: Path | None
    source: str
    facts: dict[str, Any] = field(default_factory=dict)
    search: ImageSearch | None = None


class DatasetReader(ABC):
    """Reader of a dataset or of a file format.

    Readers of a format are registered with `needs={"path"}`; their users name a path, and the format is recognized by
    its content. Other readers are selected by their name.

    Args:
        context: Arguments of every reader.
    """

    def __init__(self, context: ReaderContext) -> None:
        self.context = context

    def recognize(self, sample: Sample) -> float:
        """Return how certain a file or folder has the format, 0..1; at least `RECOGNIZED` if it is certain enough.

        Args:
            sample: Beginning of the file, or names in the folder.
        """
        return 0.0

    @abstractmethod
    def read(self) -> DatasetSplits:
        """Read the dataset.

        Raises:
            DataError: The dataset cannot be used.
        """
