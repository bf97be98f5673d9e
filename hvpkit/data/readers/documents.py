"""Split annotated documents into one record for each line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hvpkit.messages import Message
from hvpkit.records.issues import ReadingContext, RecordError
from hvpkit.records.json_values import LocatedRecord
from hvpkit.types import Task


@dataclass(frozen=True)
class DocumentEntity:
    """Entity of a document.

    Attributes:
        start: First character.
        end: First character after the entity.
        type: Entity type.
    """

    start: int
    end: int
    type: str


@dataclass(frozen=True)
class DocumentPair:
    """Related entities of a document.

    Attributes:
        name: Name of the relation in its document.
        head: Key of the head entity.
        tail: Key of the tail entity.
        relation: Relation class.
    """

    name: str
    head: str
    tail: str
    relation: str


@dataclass(frozen=True)
class Document:
    """Annotated text of several lines.

    Attributes:
        id: Name of the document.
        text: Its text.
        entities: Entities by key.
        pairs: Related entities.
        image: Image of all its lines.
    """

    id: str
    text: str
    entities: dict[str, DocumentEntity]
    pairs: Sequence[DocumentPair] = ()
    image: str | None = None


@dataclass(frozen=True)
class _Line:
    number: int
    start: int
    end: int

    def contains(self, entity: DocumentEntity) -> bool:
        return self.start <= entity.start and entity.end <= self.end

    def touches(self, entity: DocumentEntity) -> bool:
        return self.start < entity.end and entity.start < self.end


def document_records(
    document: Document, task: Task, source: ReadingContext, line: int | None = None, file: Path | None = None
) -> Iterator[LocatedRecord]:
    """Yield a record of the own form for each line that is not blank (MNER), or for each pair (MRE).

    The id has the characters of the line, as in `doc#120-180`, if the document has several. Lines with an entity that
    continues on another line, and pairs on different lines, are left out.

    Args:
        document: Document to split.
        task: Task of the records.
        source: Context that receives notes.
        line: Line of the document in the file, None to count the lines of its text.
        file: File of the document, None for the file that is read.
    """
    lines = _lines(document.text)
    if task == "mre":
        for pair in document.pairs:
            where = _line_of(lines, document.entities.get(pair.head))
            yield LocatedRecord(line or (where.number if where else 1), _pair_record(document, pair, lines), file)
        return
    if document.pairs:
        source.warn_file(Message("relations-not-read", count=len(document.pairs)), line or 1, times=len(document.pairs))
    for part in lines:
        value: dict[str, Any] | RecordError = _record(document, part, lines)
        touching = [entity for entity in document.entities.values() if part.touches(entity)]
        if crossing := next((entity for entity in touching if not part.contains(entity)), None):
            text = document.text[crossing.start : crossing.end]
            value = RecordError("entity-crosses-lines", start=crossing.start, end=crossing.end, text=text)
        elif isinstance(value, dict):
            value["entities"] = [{**_shift(entity, part), "type": entity.type} for entity in touching]
        yield LocatedRecord(line or part.number, value, file)


def _lines(text: str) -> list[_Line]:
    lines, start = [], 0
    for number, content in enumerate(text.split("\n"), 1):
        end = start + len(content)
        if content.strip():
            lines.append(_Line(number, start, end))
        start = end + 1
    return lines


def _record(document: Document, part: _Line, lines: Sequence[_Line], name: str = "") -> dict[str, Any]:
    suffix = f"#{part.start}-{part.end}" if len(lines) > 1 else ""
    record: dict[str, Any] = {"id": f"{document.id}{suffix}{name}", "text": document.text[part.start : part.end]}
    return {**record, "image": document.image} if document.image else record


def _pair_record(document: Document, pair: DocumentPair, lines: Sequence[_Line]) -> dict[str, Any] | RecordError:
    for key in (pair.head, pair.tail):
        if key not in document.entities:
            return RecordError("pair-entity-unknown", name=pair.name, entity=key, relation=pair.relation)
    head, tail = document.entities[pair.head], document.entities[pair.tail]
    part = _line_of(lines, head)
    if part is None or not part.contains(tail):
        return RecordError("pair-crosses-lines", name=pair.name, relation=pair.relation)
    record = _record(document, part, lines, f":{pair.name}")
    return {**record, "head": _shift(head, part), "tail": _shift(tail, part), "relation": pair.relation}


def _line_of(lines: Sequence[_Line], entity: DocumentEntity | None) -> _Line | None:
    return next((part for part in lines if entity and part.contains(entity)), None)


def _shift(entity: DocumentEntity, part: _Line) -> dict[str, int]:
    return {"start": entity.start - part.start, "end": entity.end - part.start}
