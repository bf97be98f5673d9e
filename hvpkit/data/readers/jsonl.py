"""A user's own data as JSON lines: sentences with entities, or with pairs and their relation (no torch)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from hvpkit.data.prepared import OWN_SOURCE
from hvpkit.data.readers.base import Dataset, PictureSearch, ReaderContext, Stream
from hvpkit.data.readers.find_files import split_of
from hvpkit.data.readers.unlinked import unique_id
from hvpkit.errors import DataError, choices
from hvpkit.labels.inventory import relation_labels, tag_labels
from hvpkit.messages import Message
from hvpkit.records.image_paths import OwnPictures
from hvpkit.records.issues import BadRecord, Problems, Source
from hvpkit.records.lines import TextFile, utf8, whole_characters
from hvpkit.records.sentence import KEYS, Sentence, read_sentence, what_it_has
from hvpkit.records.spans import check_pair
from hvpkit.types import SPLITS, Example, Split, Task

FORM = '{"tokens", "tags", "image"} or {"text", "entities": [{"start", "end", "type"}], "image"}, pairs with "head", "tail", "relation"'


def dataset_name(path: Path) -> str:
    """Name a dataset after its folder, or after its file if that is not called after a split."""
    path = Path(os.path.abspath(path))
    return path.parent.name if path.is_file() and split_of(path.stem) else path.stem if path.is_file() else path.name


def read_own(context: ReaderContext) -> Dataset:
    """Read a file or a folder of {train,dev,test}.jsonl; raises DataError when nothing there can be used.

    The files are read once to check them and to learn their labels, and again whenever their examples are asked for.
    """
    root = Path(os.path.abspath(context.root))
    files = _files(root)
    folder = next(iter(files.values())).parent
    pictures = None if context.text_only else OwnPictures(folder)
    survey = _survey(_Reader(pictures), files, context.problems)
    labels = tag_labels(survey.types) if survey.task == "mner" else relation_labels(survey.relations)
    if len(labels.names) < 2:
        raise DataError(Message("no-entities", data=root) if survey.task == "mner" else Message("no-relations", data=root))
    search = None if pictures is None else PictureSearch((folder,), pictures.missing, pictures.missing_crops)
    splits = {split: Stream(survey.counts[split], partial(_again, file, split, pictures, survey.task)) for split, file in files.items()}
    return Dataset(labels, splits, None if pictures is None else folder, f"{OWN_SOURCE}{root}", search=search)


def _again(file: Path, split: Split, pictures: OwnPictures | None, task: Task | None) -> Iterator[Example]:
    """Read a split whose faults are known already."""
    return _Reader(pictures, task).read(Source(file, split, Problems()))


@dataclass
class _Survey:
    """What the files hold, without their examples."""

    task: Task | None = None
    types: set[str] = field(default_factory=set)
    relations: set[str] = field(default_factory=set)
    counts: dict[Split, int] = field(default_factory=dict)


def _survey(reader: _Reader, files: Mapping[Split, Path], problems: Problems) -> _Survey:
    found = _Survey()
    for split, file in files.items():
        found.counts[split] = 0
        for example in reader.read(Source(file, split, problems)):
            found.counts[split] += 1
            found.types |= {tag[2:] for tag in example.tags or () if tag != "O"}
            found.relations |= {example.relation} if example.relation else set()
    found.task = reader.task
    return found


def _files(root: Path) -> dict[Split, Path]:
    if root.is_file():
        return {split_of(root.stem) or "train": root}
    if not root.is_dir():
        raise DataError("data-path-missing", path=root)
    if (root / "manifest.json").is_file():
        raise DataError("data-already-prepared", folder=root)
    found: dict[Split, Path] = {}
    for file in sorted(root.glob("*.jsonl")):
        split = split_of(file.stem)
        if split and found.setdefault(split, file) != file:
            raise DataError("split-twice", first=found[split], second=file, split=split)
    if not found:
        raise DataError("no-split-files", folder=root)
    return {split: found[split] for split in SPLITS if split in found}


@dataclass
class _Reader:
    """Reads the splits one after the other; the first sound record says which task they are all for."""

    pictures: OwnPictures | None
    task: Task | None = None
    _ids: dict[Split, dict[str, int]] = field(default_factory=dict)

    def read(self, source: Source) -> Iterator[Example]:
        """Read one split."""
        file, kept = TextFile(source), 0
        for number, line in enumerate(file.lines(), 1):
            if not line.strip():
                continue
            try:
                example = self._example(_record(utf8(line)), number, source)
            except BadRecord as fault:
                source.leave_out(file.judge(fault, number), number)
                continue
            source.keep()
            kept += 1
            yield example
        source.require(kept)

    def _example(self, record: dict[str, Any], number: int, source: Source) -> Example:
        task: Task = "mre" if {"head", "tail", "relation"} & set(record) else "mner"
        if self.task not in (None, task):
            kinds = {"mner": "entities", "mre": "a pair and its relation"}
            raise BadRecord("record-of-other-task", expected=kinds[self.task or task], found=kinds[task])
        if unknown := [key for key in record if key not in KEYS]:
            source.note(
                Message("unknown-keys", keys=[Message("unknown-record-key", key=key, hint=choices(key, KEYS)) for key in unknown[:3]]),
                number,
            )
        sentence = read_sentence(record, source, number)
        tags = sentence.tags(record)
        if task == "mner" and tags is None:
            raise BadRecord("no-labels", found=what_it_has(record))
        pair = _pair(record, sentence, source, number) if task == "mre" else {}
        self.task = task
        name = unique_id(_id(record, number, source), self._ids.setdefault(source.split, {}), source, number)
        image, objects = self.pictures.of(record, source, number) if self.pictures else (None, ())
        return Example(name, sentence.words, tags, image=image, objects=objects, **pair)


def _record(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadRecord("line-not-json", reason=str(error), text=line.strip()[:60], expected=FORM) from None
    if not isinstance(record, dict):
        raise BadRecord("record-not-object", expected=FORM, found=line.strip()[:60])
    return whole_characters(record)


def _id(record: dict[str, Any], number: int, source: Source) -> str:
    name = record.get("id")
    return f"{source.split}-{number}" if name is None or name == "" else str(name)


def _pair(record: dict[str, Any], sentence: Sentence, source: Source, number: int) -> dict[str, Any]:
    relation = record.get("relation")
    if not isinstance(relation, str) or not relation.strip():
        raise BadRecord("relation-missing", found=relation)
    if (said := relation.strip()) != "None" and said.casefold() == "none":
        source.note(Message("relation-like-none", relation=said), number)
    head, tail = (sentence.span(record.get(role), role) for role in ("head", "tail"))
    check_pair(head, tail, source, number)
    return {"head": head, "tail": tail, "relation": relation.strip()}
