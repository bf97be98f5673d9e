"""Base of the readers whose records are mapped to records of the own JSON form."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from hvpkit.data.prepared import user_source
from hvpkit.data.readers.base import DatasetReader, DatasetSplits, ExampleStream
from hvpkit.data.readers.missing_files import MissingFiles
from hvpkit.data.readers.split_files import choose_samples, find_samples
from hvpkit.data.readers.unlinked import unique_id
from hvpkit.errors import DataError
from hvpkit.labels.inventory import relation_labels, tag_labels
from hvpkit.records.image_roots import ImageRoots
from hvpkit.records.issues import IssueLog, ReadingContext, RecordError
from hvpkit.records.json_values import LocatedRecord
from hvpkit.records.parse import parse_record
from hvpkit.types import SPLITS, Example, Labels, Split, Task


class RecordReader(DatasetReader):
    """Reader of a format with one record for each example.

    A format implements `recognize` and `records`, which yields records of the own JSON form (docs/data.md): `tokens`
    and `tags`, or `text` and `entities`; or `head`, `tail` and `relation`; with `id` and `image`. The files are read
    once to check them and to collect their labels, and again on each iteration over a split.
    """

    name: ClassVar[str]

    @abstractmethod
    def records(self, source: ReadingContext) -> Iterator[LocatedRecord]:
        """Iterate over the records of one split, each with its line.

        Args:
            source: File of the split; receives notes on the next record.
        """

    def relation_order(self, files: Sequence[Path]) -> Sequence[str]:
        """Return the relations in the order of their ids, where the files fix it."""
        return ()

    def files(self) -> dict[Split, Path]:
        """Find the file of each split.

        Raises:
            DataError: "no-split-files", or codes of `find_samples` and `choose_samples`.
        """
        root = Path(os.path.abspath(self.context.root))
        files = {}
        for split, samples in find_samples(root).items():
            kept = [sample for sample in samples if root.is_file() or self.recognize(sample)]
            kept = kept or [sample for sample in samples if sample.is_blank]
            if kept:
                files[split] = choose_samples(kept, split).path
        if not files:
            raise DataError("no-split-files", folder=root, format=self.name)
        return {split: files[split] for split in SPLITS if split in files}

    def read(self) -> DatasetSplits:
        """Read all splits.

        Raises:
            DataError: Codes of `files`; "nothing-usable", "split-file-empty" or "not-utf8" if a file cannot be used;
                "no-entities" or "no-relations" if there is nothing to learn.
        """
        root, files = Path(os.path.abspath(self.context.root)), self.files()
        folders = (file if file.is_dir() else file.parent for file in files.values())
        roots = ImageRoots(root.parent if root.is_file() else root, (*folders, *self.context.images.folders))
        missing = None if self.context.text_only else MissingFiles(roots)
        scan = _scan(_Examples(self, missing), files, self.context.issues)
        labels = _labels(scan, self.relation_order(list(files.values())), root)
        search = None if missing is None else missing.search()
        splits = {
            split: ExampleStream(scan.counts[split], partial(_read_again, self, file, split, missing, scan.task))
            for split, file in files.items()
        }
        images_root = None if missing is None else roots.common_root
        return DatasetSplits(labels, splits, images_root, user_source(self.name, root), search=search)


def _labels(scan: _ScanResult, relation_order: Sequence[str], root: Path) -> Labels:
    if scan.task == "mner":
        labels = tag_labels(scan.types)
    else:
        labels = relation_labels(scan.relations)
        ordered = dict.fromkeys(("None", *relation_order, *labels.names)) if relation_order else labels.names
        labels = Labels("mre", tuple(ordered))
    if not scan.types and scan.task == "mner":
        raise DataError("no-entities", data=root)
    if scan.task == "mre" and not scan.relations - {"None"}:
        raise DataError("no-relations", data=root)
    return labels


def _read_again(
    reader: RecordReader, file: Path, split: Split, missing: MissingFiles | None, task: Task | None
) -> Iterator[Example]:
    """Read a split again; its issues were reported by the first reading and are dropped."""
    return _Examples(reader, missing, task).read(ReadingContext(file, split, IssueLog()))


@dataclass
class _ScanResult:
    """Task, labels and counts of all files, collected by the first reading."""

    task: Task | None = None
    types: set[str] = field(default_factory=set)
    relations: set[str] = field(default_factory=set)
    counts: dict[Split, int] = field(default_factory=dict)


def _scan(examples: _Examples, files: Mapping[Split, Path], issues: IssueLog) -> _ScanResult:
    scan = _ScanResult()
    for split, file in files.items():
        scan.counts[split] = 0
        for example in examples.read(ReadingContext(file, split, issues)):
            scan.counts[split] += 1
            scan.types |= {tag[2:] for tag in example.tags or () if tag != "O"}
            scan.relations |= {example.relation} if example.relation else set()
    scan.task = examples.task
    return scan


@dataclass
class _Examples:
    """Examples of the splits, one after the other; the first valid record determines the task of all."""

    reader: RecordReader
    files: MissingFiles | None
    task: Task | None = None
    _ids: dict[Split, dict[str, int]] = field(default_factory=dict)

    def read(self, source: ReadingContext) -> Iterator[Example]:
        """Read one split."""
        is_empty, kept = True, 0
        for located in self.reader.records(source):
            is_empty = False
            place = source if located.file is None else replace(source, file=located.file)
            try:
                if isinstance(located.value, RecordError):
                    raise located.value
                example = self._example(located.value, located.line, place)
            except RecordError as error:
                place.skip(error, located.line)
                continue
            place.count_kept()
            kept += 1
            yield example
        if is_empty:
            raise DataError("split-file-empty", file=source.file, split=source.split)
        source.require_examples(kept)

    def _example(self, record: Mapping[str, Any], line: int, source: ReadingContext) -> Example:
        files, find = self.files, None
        if files is None:
            record = {key: value for key, value in record.items() if key not in ("image", "objects")}
        else:
            find = files.roots.locate(source.split)
            if not record.get("image"):
                record = {**record, "image": self.reader.context.images.name(_id(record, line, source))}
        parsed = parse_record(record, root=find, task=self.task, labeled=True)
        self.task = "mner" if parsed.mentions is None else "mre"
        source.warn_all(parsed.issues, line)
        wanted = parsed.example.id or _id({}, line, source)
        name = unique_id(wanted, self._ids.setdefault(source.split, {}), source, line)
        example = replace(parsed.example, id=name)
        if files is None:
            return example
        files.add_refused(record.get("image"), parsed.issues)
        return files.drop(example, source, line)


def _id(record: Mapping[str, Any], line: int, source: ReadingContext) -> str:
    name = record.get("id")
    return f"{source.split}-{line}" if name is None or name == "" else str(name)


RecordMapping = Callable[[Mapping[str, Any]], dict[str, Any]]


def map_records(records: Iterator[LocatedRecord], to_own: RecordMapping) -> Iterator[LocatedRecord]:
    """Map each record of a format to a record of the own form; errors of the mapping take the record's place."""
    for located in records:
        value = located.value
        if not isinstance(value, RecordError):
            try:
                value = to_own(value)
            except RecordError as error:
                value = error
        yield replace(located, value=value)
