"""Read a folder of brat: texts `x.txt` with their annotations `x.ann`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from hvpkit.data.readers.base import ReaderContext
from hvpkit.data.readers.documents import Document, DocumentEntity, DocumentPair, document_records
from hvpkit.data.readers.record_reader import RecordReader
from hvpkit.data.readers.sample import Sample
from hvpkit.messages import Message
from hvpkit.records.compressed import read_bounded
from hvpkit.records.issues import ReadingContext, RecordError
from hvpkit.records.json_values import LocatedRecord
from hvpkit.types import Task

MAX_DOCUMENT = 2**26  # bytes
_ENTITY = re.compile(r"(T\S*)\t(\S+) (\d+ \d+(?:;\d+ \d+)*)(?:\t.*)?")
_RELATION = re.compile(r"(R\S*)\t(\S+) \w+:(\S+) \w+:(\S+)\s*")


class BratReader(RecordReader):
    """Reader of entities, or of relations between them; each line of a text is an example.

    Args:
        context: Arguments of every reader.
        task: Whether entities (mner) or relations (mre) are read.
    """

    name = "brat"

    def __init__(self, context: ReaderContext, *, task: Task = "mner") -> None:
        super().__init__(context)
        self._task = task

    def recognize(self, sample: Sample) -> float:
        """Look for a text with annotations."""
        stems = (_stem(name) for name in sample.names)
        return 1.0 if any(stem and _text_name(stem, sample.names) for stem in stems) else 0.0

    def records(self, source: ReadingContext) -> Iterator[LocatedRecord]:
        """Iterate over the lines of the texts (MNER) or the relations (MRE), document by document."""
        names = {file.name for file in source.file.iterdir()}
        for annotated in sorted(source.file / name for name in names if _stem(name)):
            stem = _stem(annotated.name)
            text = _text_name(stem, names)
            if text is None:
                yield LocatedRecord(1, RecordError("document-text-missing", name=f"{stem}.txt"), annotated)
                continue
            file = source.file / text
            try:
                document = _parse(file, annotated, source)
            except RecordError as error:
                yield LocatedRecord(error.line or 1, error, annotated)
                continue
            yield from document_records(document, self._task, source, file=file)


def _stem(name: str) -> str:
    """Return the name of a document from that of its annotations, "" for other files."""
    plain = name.removesuffix(".gz")
    return plain.removesuffix(".ann") if plain.endswith(".ann") else ""


def _text_name(stem: str, names: set[str] | frozenset[str]) -> str | None:
    return next((name for name in (f"{stem}.txt", f"{stem}.txt.gz") if name in names), None)


def _parse(file: Path, annotations: Path, source: ReadingContext) -> Document:
    text, lines = _decode(file), _decode(annotations).split("\n")
    entities: dict[str, DocumentEntity] = {}
    pairs = []
    for number, line in enumerate(lines, 1):
        line = line.rstrip("\r")
        if line.startswith("T"):
            entities |= _entity(line, number, text, annotations, source)
        elif line.startswith("R"):
            match = _RELATION.fullmatch(line)
            if not match:
                raise RecordError("annotation-line-invalid", text=line, line=number)
            pairs.append(DocumentPair(match[1], match[3], match[4], match[2]))
    return Document(_stem(annotations.name), text, entities, pairs)


def _entity(line: str, number: int, text: str, annotations: Path, source: ReadingContext) -> dict[str, DocumentEntity]:
    match = _ENTITY.fullmatch(line)
    if not match:
        raise RecordError("annotation-line-invalid", text=line, line=number)
    if ";" in match[3]:
        issue = Message("entity-discontinuous", name=match[1], spans=match[3])
        source.issues.warn(source.split, issue.code, f"{annotations}:{number}: {issue}")
        return {}
    start, end = map(int, match[3].split())
    if not start < end <= len(text):
        raise RecordError(
            "span-outside", name=match[1], start=start, end=end, length=len(text), unit="characters", line=number
        )
    return {match[1]: DocumentEntity(start, end, match[2])}


def _decode(file: Path) -> str:
    try:
        return read_bounded(file, MAX_DOCUMENT).decode("utf-8")
    except UnicodeDecodeError as error:
        raise RecordError("line-not-utf8", byte=error.start + 1) from None
