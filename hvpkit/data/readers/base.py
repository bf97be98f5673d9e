"""Input and output types of dataset readers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hvpkit.messages import Message
from hvpkit.records.issues import IssueLog
from hvpkit.types import Example, Labels, Split


@dataclass(frozen=True)
class ReaderContext:
    """Arguments of every reader, passed before its own options.

    Attributes:
        root: Folder or file named by the user.
        stage: Empty folder that becomes the prepared folder; generated datasets write to `stage / "images"`.
        text_only: Whether images are ignored.
        issues: Log that counts issues of the data.
    """

    root: Path
    stage: Path
    text_only: bool = False
    issues: IssueLog = field(default_factory=IssueLog)


@dataclass(frozen=True)
class ImageSearch:
    """Result of the search for images.

    Attributes:
        folders: Folders that were searched.
        missing: Images that were named but not found, by split, each once.
        missing_crops: The same for crops of objects.
        advice: What to do if no image was found.
    """

    folders: tuple[Path, ...] = ()
    missing: Mapping[Split, tuple[str, ...]] = field(default_factory=dict)
    missing_crops: Mapping[Split, tuple[str, ...]] = field(default_factory=dict)
    advice: str = Message("name-images")


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
