"""Read JSON Lines of a user: sentences with entities (MNER), or with a pair and its relation (MRE)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from hvpkit.data.prepared import JSONL_SOURCE
from hvpkit.data.readers.base import DatasetSplits, ExampleStream, ImageSearch, ReaderContext
from hvpkit.data.readers.find_files import split_from_name
from hvpkit.data.readers.unlinked import unique_id
from hvpkit.errors import DataError, did_you_mean
from hvpkit.labels.inventory import relation_labels, tag_labels
from hvpkit.messages import Message
from hvpkit.records.image_paths import ImagePathResolver
from hvpkit.records.issues import IssueLog, ReadingContext, RecordError
from hvpkit.records.lines import TextFile, decode_utf8, reject_lone_surrogates
from hvpkit.records.sentence import KEYS, ParsedSentence, describe_keys, parse_sentence
from hvpkit.records.spans import check_pair
from hvpkit.types import SPLITS, Example, Split, Task

RECORD_FORMAT = (
    '{"tokens", "tags", "image"} or {"text", "entities": [{"start", "end", "type"}], "image"}, '
    'pairs with "head", "tail", "relation"'
)


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
            files to read; "nothing-usable", "split-file-empty" or "file-utf16" if a file cannot be used; "no-entities"
            or "no-relations" if there is nothing to learn.
    """
    root = Path(os.path.abspath(context.root))
    files = _files(root)
    folder = next(iter(files.values())).parent
    images = None if context.text_only else ImagePathResolver(folder)
    scan = _scan(_Reader(images), files, context.issues)
    labels = tag_labels(scan.types) if scan.task == "mner" else relation_labels(scan.relations)
    if len(labels.names) < 2:
        raise DataError(
            Message("no-entities", data=root) if scan.task == "mner" else Message("no-relations", data=root)
        )
    search = None if images is None else ImageSearch((folder,), images.missing, images.missing_crops)
    splits = {
        split: ExampleStream(scan.counts[split], partial(_read_again, file, split, images, scan.task))
        for split, file in files.items()
    }
    return DatasetSplits(labels, splits, None if images is None else folder, f"{JSONL_SOURCE}{root}", search=search)


def _read_again(file: Path, split: Split, images: ImagePathResolver | None, task: Task | None) -> Iterator[Example]:
    """Read a split again; its issues were reported by the first reading and are dropped."""
    return _Reader(images, task).read(ReadingContext(file, split, IssueLog()))


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
    """Reader of the splits, one after the other; the first valid record determines the task of all."""

    images: ImagePathResolver | None
    task: Task | None = None
    _ids: dict[Split, dict[str, int]] = field(default_factory=dict)

    def read(self, source: ReadingContext) -> Iterator[Example]:
        """Read one split."""
        file, kept = TextFile(source), 0
        for line_number, line in enumerate(file.lines(), 1):
            if not line.strip():
                continue
            try:
                example = self._example(_record(decode_utf8(line)), line_number, source)
            except RecordError as error:
                source.skip(file.classify_truncation(error, line_number), line_number)
                continue
            source.count_kept()
            kept += 1
            yield example
        source.require_examples(kept)

    def _example(self, record: dict[str, Any], line_number: int, source: ReadingContext) -> Example:
        task: Task = "mre" if {"head", "tail", "relation"} & set(record) else "mner"
        if self.task not in (None, task):
            kinds = {"mner": "entities", "mre": "a pair and its relation"}
            raise RecordError("record-of-other-task", expected=kinds[self.task or task], found=kinds[task])
        if unknown := [key for key in record if key not in KEYS]:
            keys = [Message("unknown-record-key", key=key, hint=did_you_mean(key, KEYS)) for key in unknown[:3]]
            source.warn(Message("unknown-keys", keys=keys), line_number)
        sentence = parse_sentence(record, source, line_number)
        tags = sentence.tags(record)
        if task == "mner" and tags is None:
            raise RecordError("no-labels", found=describe_keys(record))
        pair = _pair(record, sentence, source, line_number) if task == "mre" else {}
        self.task = task
        name = unique_id(_id(record, line_number, source), self._ids.setdefault(source.split, {}), source, line_number)
        image, objects = self.images.resolve(record, source, line_number) if self.images else (None, ())
        return Example(name, sentence.words, tags, image=image, objects=objects, **pair)


def _record(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RecordError("line-not-json", reason=str(error), text=line.strip()[:60], expected=RECORD_FORMAT) from None
    if not isinstance(record, dict):
        raise RecordError("record-not-object", expected=RECORD_FORMAT, found=line.strip()[:60])
    return reject_lone_surrogates(record)


def _id(record: dict[str, Any], line_number: int, source: ReadingContext) -> str:
    name = record.get("id")
    return f"{source.split}-{line_number}" if name is None or name == "" else str(name)


def _pair(record: dict[str, Any], sentence: ParsedSentence, source: ReadingContext, line_number: int) -> dict[str, Any]:
    relation = record.get("relation")
    if not isinstance(relation, str) or not relation.strip():
        raise RecordError("relation-missing", found=relation)
    relation = relation.strip()
    if relation != "None" and relation.casefold() == "none":
        source.warn(Message("relation-like-none", relation=relation), line_number)
    head, tail = (sentence.span(record.get(role), role) for role in ("head", "tail"))
    check_pair(head, tail, source, line_number)
    return {"head": head, "tail": tail, "relation": relation}
