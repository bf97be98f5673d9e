"""What every dataset reader receives and gives (no torch)."""

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
    """What a reader is built from, before its own options.

    `root`: the folder or file that the user named; `stage`: an empty folder that becomes the prepared one, where a generated dataset draws
    its images (in `stage / "images"`); `text_only`: no images are looked for; `problems`: where faults are counted.
    """

    root: Path
    stage: Path
    text_only: bool = False
    issues: IssueLog = field(default_factory=IssueLog)


@dataclass(frozen=True)
class ImageSearch:
    """How the search for images went: the folders looked in, and by split the files that were named and are not there, each once."""

    folders: tuple[Path, ...] = ()
    missing: Mapping[Split, tuple[str, ...]] = field(default_factory=dict)
    missing_crops: Mapping[Split, tuple[str, ...]] = field(default_factory=dict)
    advice: str = Message("name-images")


@dataclass(frozen=True)
class ExampleStream:
    """Examples that are made anew each time they are gone through, never held: how many there are, and how to begin."""

    length: int
    begin: Callable[[], Iterator[Example]]

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Example]:
        return self.begin()


@dataclass(frozen=True)
class DatasetSplits:
    """What a reader gives.

    `splits` are gone through once where images were made, else several times (lists, `Stream`s); `images_root` lies above every
    image (`stage` for generated ones); `source` says in a line where the data came from; `facts` are kept in the manifest; `search` is
    None where images were made, so need no check.
    """

    labels: Labels
    splits: Mapping[Split, Iterable[Example]]
    images_root: Path | None
    source: str
    facts: dict[str, Any] = field(default_factory=dict)
    search: ImageSearch | None = None
