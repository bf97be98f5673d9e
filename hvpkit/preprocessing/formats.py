"""Recognize the format of a user's data by its content."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hvpkit.data.readers.base import RECOGNIZED, DatasetReader, ReaderContext
from hvpkit.data.readers.sample import Sample
from hvpkit.data.readers.split_files import dataset_name, find_samples
from hvpkit.errors import DataError, InputError, did_you_mean
from hvpkit.messages import Message
from hvpkit.registry import Registry


@dataclass(frozen=True)
class LocatedDataset:
    """A dataset to read.

    Attributes:
        reader: Name of the reader.
        path: Path that it reads.
        name: Name of the dataset.
        is_recognized: Whether the reader was chosen by the content of the files.
    """

    reader: str
    path: Path
    name: str
    is_recognized: bool = False


def format_names(registry: Registry) -> list[str]:
    """Return the names of the readers that read the path of a user."""
    return [name for name in registry.names("reader") if "path" in registry.get("reader", name).needs]


def is_named_dataset(name: str, registry: Registry) -> bool:
    """Check whether a name is that of a dataset, and not of a format or a path."""
    return name in registry.names("reader") and name not in format_names(registry)


def locate_dataset(name: str, root: Path | None, registry: Registry, format_name: str | None = None) -> LocatedDataset:
    """Resolve the name or path of a dataset, and recognize the format of a path.

    Args:
        name: Name of a dataset, or a path.
        root: Folder in which a named dataset is searched.
        registry: Components.
        format_name: Format of the path, None to recognize it.

    Raises:
        InputError: "unknown-dataset", "path-needed", "root-with-path", "unknown-format" or "format-with-name".
        DataError: Codes of `recognize_format`.
    """
    readers, formats = registry.names("reader"), format_names(registry)
    if format_name is not None and format_name not in formats:
        raise InputError("unknown-format", name=format_name, hint=did_you_mean(format_name, formats))
    if name in formats and root is not None:
        return LocatedDataset(recognize_format(root, registry, name), root, dataset_name(root))
    if name in readers and name not in formats:
        if format_name is not None:
            raise InputError("format-with-name", name=name)
        return LocatedDataset(name, root or Path(), name)
    path = Path(name)
    if "/" in name or path.suffix or path.exists():
        if root is not None:
            raise InputError("root-with-path", name=name)
        reader = recognize_format(path, registry, format_name)
        return LocatedDataset(reader, path, dataset_name(path), is_recognized=format_name is None)
    if name in formats:
        raise InputError("path-needed", name=name)
    raise InputError("unknown-dataset", name=name, hint=did_you_mean(name, set(readers) - set(formats)).rstrip("?"))


def recognize_format(path: Path, registry: Registry, format_name: str | None = None) -> str:
    """Return the format of a file or folder.

    Args:
        path: File or folder.
        registry: Components.
        format_name: Expected format, None if it is unknown.

    Raises:
        DataError: "format-differs" if the files are of another format than expected, "formats-mixed" if they are of
            several, "format-unknown" if of none, "no-data-files" if there are none; or codes of `find_samples`.
    """
    root = path.absolute()
    samples = [sample for split in find_samples(root).values() for sample in split]
    if not samples:
        raise DataError("no-data-files", folder=root)
    context = ReaderContext(root, root)
    readers: dict[str, DatasetReader] = {
        name: registry.build("reader", name, context, {}) for name in format_names(registry)
    }
    scores = [
        _Scores(sample, {name: reader.recognize(sample) for name, reader in readers.items()}) for sample in samples
    ]
    certain = [score for score in scores if score.certainty >= RECOGNIZED]
    if format_name is not None:
        if certain and all(score.by_format[format_name] < RECOGNIZED for score in certain):
            found, file = certain[0].format, certain[0].sample.path
            raise DataError("format-differs", path=path, file=file, found=found, expected=format_name)
        return format_name
    if other := next((score for score in certain if score.format != certain[0].format), None):
        first = certain[0]
        files = {"first": first.sample.path, "second": other.sample.path}
        raise DataError("formats-mixed", path=path, **files, first_format=first.format, second_format=other.format)
    likely = max(scores, key=lambda score: score.certainty)
    if likely.certainty:
        return likely.format
    if all(sample.is_blank for sample in samples):
        raise DataError("file-blank", file=samples[0].path)
    raise DataError("format-unknown", path=path, found=describe(samples[0]), formats=sorted(readers))


@dataclass(frozen=True)
class _Scores:
    """Certainty of each format for one file."""

    sample: Sample
    by_format: dict[str, float]

    @property
    def format(self) -> str:
        return max(self.by_format, key=lambda name: self.by_format[name])

    @property
    def certainty(self) -> float:
        return self.by_format[self.format]


def describe(sample: Sample) -> Message:
    """Describe the content of a file of unknown format for messages."""
    if sample.records:
        return Message("record-keys", keys=list(sample.records[0]))
    if sample.names:
        return Message("folder-names", names=sorted(sample.names)[:5])
    return Message("first-line", text=sample.lines[0][:80] if sample.lines else "")
