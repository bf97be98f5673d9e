"""Read JSON Lines of a user: sentences with entities (MNER), or with a pair and its relation (MRE)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from hvpkit.data.prepared import JSONL_SOURCE
from hvpkit.data.readers.base import DatasetSplits, ExampleStream, ReaderContext
from hvpkit.data.readers.find_files import split_from_name
from hvpkit.data.readers.missing_files import MissingFiles
from hvpkit.data.readers.unlinked import unique_id
from hvpkit.errors import DataError
from hvpkit.labels.inventory import relation_labels, tag_labels
from hvpkit.messages import Message
from hvpkit.records.issues import IssueLog, ReadingContext, RecordError
from hvpkit.records.json_lines import JsonLine, read_json_lines
from hvpkit.records.parse import parse_record
from hvpkit.types import SPLITS, Example, Split, Task


def dataset_name(path: Path) -> str:
    """Name a dataset after its file, or after the folder if the file is named after a split."""
    path = Path(os.path.abspath(path))
    if not path.is_file():
        return path.name
    return path.parent.name if split_from_name(path.stem) else path.stem


def read_jsonl(context: ReaderContext) -> DatasetSplits:
    """Read a file or a folder of {train,dev,test}.jsonl.

    The files are read once to check them and to collect their labels, and again on each iteration over a split.

    Raises:
        DataError: "data-path-missing", "data-already-prepared", "no-split-files" or "split-twice" if there are no
            files to read; "nothing-usable", "split-file-empty" or "not-utf8" if a file cannot be used; "no-entities"
            or "no-relations" if there is nothing to learn.
    """
    root = Path(os.path.abspath(context.root))
    files = _files(root)
    folder = next(iter(files.values())).parent
    missing = None if context.text_only else MissingFiles(folder)
    scan = _scan(_Reader(missing), files, context.issues)
    labels = tag_labels(scan.types) if scan.task == "mner" else relation_labels(scan.relations)
    if len(labels.names) < 2:
        raise DataError(
            Message("no-entities", data=root) if scan.task == "mner" else Message("no-relations", data=root)
        )
    search = None if missing is None else missing.search()
    splits = {
        split: ExampleStream(scan.counts[split], partial(_read_again, file, split, missing, scan.task))
        for split, file in files.items()
    }
    return DatasetSplits(labels, splits, None if missing is None else folder, f"{JSONL_SOURCE}{root}", search=search)


def _read_again(file: Path, split: Split, missing: MissingFiles | None, task: Task | None) -> Iterator[Example]:
    """Read a split again; its issues were reported by the first reading and are dropped."""
    return _Reader(missing, task).read(ReadingContext(file, split, IssueLog()))


@dataclass
class _ScanResult:
    """Task, labels and counts of all files, collected by the first reading."""

    task: Task | None = None
    types: set[str] = field(default_factory=set)
    relations: set[str] = field(default_factory=set)
    counts: dict[Split, int] = field(default_factory=dict)


def _scan(reader: _Reader, files: Mapping[Split, Path], issues: IssueLog) -> _ScanResult:
    scan = _ScanResult()
    for split, file in files.items():
        scan.counts[split] = 0
        for example in reader.read(ReadingContext(file, split, issues)):
            scan.counts[split] += 1
            scan.types |= {tag[2:] for tag in example.tags or () if tag != "O"}
            scan.relations |= {example.relation} if example.relation else set()
    scan.task = reader.task
    return scan


def _files(root: Path) -> dict[Split, Path]:
    if root.is_file():
        return {split_from_name(root.stem) or "train": root}
    if not root.is_dir():
        raise DataError("data-path-missing", path=root)
    if (root / "manifest.json").is_file():
        raise DataError("data-already-prepared", folder=root)
    files: dict[Split, Path] = {}
    for file in sorted(root.glob("*.jsonl")):
        split = split_from_name(file.stem)
        if split and files.setdefault(split, file) != file:
            raise DataError("split-twice", first=files[split], second=file, split=split)
    if not files:
        raise DataError("no-split-files", folder=root)
    return {split: files[split] for split in SPLITS if split in files}


@dataclass
class _Reader:
    """Reader of the splits, one after the other; the first valid record determines the task of all.

    Attributes:
        missing: Receives the missing images; None to leave images out.
        task: Task of the records.
    """

    missing: MissingFiles | None
    task: Task | None = None
    _ids: dict[Split, dict[str, int]] = field(default_factory=dict)

    def read(self, source: ReadingContext) -> Iterator[Example]:
        """Read one split."""
        lines, kept = 0, 0
        for line in read_json_lines(source.file):
            lines += 1
            try:
                example = self._example(line, source)
            except RecordError as error:
                source.skip(error, line.number)
                continue
            source.count_kept()
            kept += 1
            yield example
        if not lines:
            raise DataError("split-file-empty", file=source.file, split=source.split)
        source.require_examples(kept)

    def _example(self, line: JsonLine, source: ReadingContext) -> Example:
        record = line.record
        if isinstance(record, RecordError):
            raise record
        if self.missing is None:
            record = {key: value for key, value in record.items() if key not in ("image", "objects")}
        root = None if self.missing is None else self.missing.folder
        parsed = parse_record(record, root=root, task=self.task, labeled=True)
        self.task = "mner" if parsed.mentions is None else "mre"
        source.warn_all(parsed.issues, line.number)
        name = parsed.example.id or f"{source.split}-{line.number}"
        unique = unique_id(name, self._ids.setdefault(source.split, {}), source, line.number)
        example = replace(parsed.example, id=unique)
        return example if self.missing is None else self.missing.drop(example, source, line.number)
