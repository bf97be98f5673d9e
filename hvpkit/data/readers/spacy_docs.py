"""Read annotated texts of spaCy: JSON Lines with spans, as Prodigy writes them, and DocBin files."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hvpkit.data.readers.base import ReaderContext
from hvpkit.data.readers.record_reader import RecordReader
from hvpkit.data.readers.sample import Sample, has_keys
from hvpkit.data.readers.word_spans import tags_from_spans
from hvpkit.errors import DataError
from hvpkit.messages import Message
from hvpkit.records.compressed import read_bounded
from hvpkit.records.issues import ReadingContext, RecordError
from hvpkit.records.json_values import LocatedRecord, read_objects
from hvpkit.types import Task

RECORD_FORMAT = '{"text", "spans": [{"start", "end", "label"}]}'
ZLIB_MAGIC = b"\x78"
MAX_DOC_BIN = 2**30  # bytes, decompressed
STORED = "hvpkit"  # key of `Doc.user_data` for what a document of spaCy has no place for
STORED_KEYS = ("id", "image", "objects", "head", "tail", "relation")


class SpacyReader(RecordReader):
    """Reader of entities, or of relations between them.

    Args:
        context: Arguments of every reader.
        task: Whether entities (mner) or relations (mre) are read from JSON Lines.
    """

    name = "spacy"

    def __init__(self, context: ReaderContext, *, task: Task = "mner") -> None:
        super().__init__(context)
        self._task = task

    def recognize(self, sample: Sample) -> float:
        """Look for a text with spans, or for a compressed DocBin."""
        if sample.records:
            return 1.0 if any(map(_is_spacy, sample.records)) else 0.0
        return 1.0 if _is_doc_bin(sample.head) else 0.0

    def records(self, source: ReadingContext) -> Iterator[LocatedRecord]:
        """Iterate over the documents (MNER) or the relations (MRE)."""
        if _is_doc_bin(Sample.from_path(source.file).head):
            yield from read_doc_bin(source.file)
            return
        for located in read_objects(source, RECORD_FORMAT):
            if isinstance(located.value, RecordError):
                yield located
                continue
            try:
                values = self._to_own(located.value, located.line, source)
            except RecordError as error:
                yield LocatedRecord(located.line, error)
                continue
            yield from (LocatedRecord(located.line, value) for value in values)

    def _to_own(self, record: Mapping[str, Any], line: int, source: ReadingContext) -> list[dict[str, Any]]:
        """Convert a text; one that was rejected or ignored in Prodigy has no annotation to read."""
        if record.get("answer", "accept") != "accept":
            raise RecordError("prodigy-not-accepted", answer=record["answer"])
        text, spans, relations = record.get("text"), record.get("spans") or [], record.get("relations") or []
        if not isinstance(text, str):
            raise RecordError("value-invalid", key="text", expected="a text", found=text)
        meta = record.get("meta")
        identity = record.get("id") or (meta.get("id") if isinstance(meta, Mapping) else None)
        own = {"text": text, **({"id": str(identity)} if identity else {})}
        own |= {"image": record["image"]} if record.get("image") else {}
        if self._task == "mner":
            if relations:
                source.warn_file(Message("relations-not-read", count=len(relations)), line, times=len(relations))
            if not isinstance(spans, list):
                raise RecordError("value-invalid", key="spans", expected="a list", found=spans)
            return [{**own, "entities": [_entity(span) for span in spans]}]
        if not isinstance(relations, list):
            raise RecordError("value-invalid", key="relations", expected="a list", found=relations)
        name = str(identity or f"{source.split}-{line}")
        return [{**own, "id": f"{name}:R{number}", **_pair(item)} for number, item in enumerate(relations, 1)]


def _is_spacy(record: Mapping[str, Any]) -> bool:
    if not has_keys(record, text=str, spans=list):
        return False
    return all(isinstance(span, Mapping) and {"start", "end", "label"} <= set(span) for span in record["spans"])


def _entity(span: object) -> dict[str, Any]:
    if not isinstance(span, Mapping) or not {"start", "end", "label"} <= set(span):
        raise RecordError("value-invalid", key="spans", expected='{"start", "end", "label"}', found=span)
    return {"start": span["start"], "end": span["end"], "type": span["label"]}


def _pair(item: object) -> dict[str, Any]:
    heads = [item.get(key) if isinstance(item, Mapping) else None for key in ("head_span", "child_span")]
    if not isinstance(item, Mapping) or not all(isinstance(s, Mapping) and {"start", "end"} <= set(s) for s in heads):
        raise RecordError("value-invalid", key="relations", expected='{"head_span", "child_span", "label"}', found=item)
    head, tail = ({"start": span["start"], "end": span["end"]} for span in heads if isinstance(span, Mapping))
    return {"head": head, "tail": tail, "relation": item.get("label")}


def _is_doc_bin(head: bytes) -> bool:
    if not head.startswith(ZLIB_MAGIC):
        return False
    try:
        return b"attrs" in zlib.decompressobj().decompress(head, 200)
    except zlib.error:
        return False


def read_doc_bin(file: Path) -> Iterator[LocatedRecord]:
    """Iterate over the documents of a DocBin; the line of a document is its number.

    Raises:
        DataError: "spacy-missing", "doc-bin-unreadable" or "doc-bin-too-large".
    """
    try:
        import spacy
        from spacy.tokens import DocBin
    except ImportError as error:
        raise DataError("spacy-missing", file=file) from error
    data = read_bounded(file, MAX_DOC_BIN)
    try:
        decompressor = zlib.decompressobj()
        decompressor.decompress(data, MAX_DOC_BIN)
        if decompressor.unconsumed_tail:
            raise DataError("doc-bin-too-large", file=file, limit=MAX_DOC_BIN // 2**20)
        docs = DocBin().from_bytes(data).get_docs(spacy.blank("xx").vocab)
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        raise DataError("doc-bin-unreadable", file=file) from error
    for number, doc in enumerate(docs, 1):
        yield LocatedRecord(number, _document(doc))


def _document(doc: Any) -> dict[str, Any]:  # noqa: ANN401 - spaCy is optional
    """Return entities in characters; in words, with the pair, if the document was written by hvpkit."""
    stored = doc.user_data.get(STORED)
    if not isinstance(stored, Mapping):
        own = {key: doc.user_data[key] for key in ("id", "image") if isinstance(doc.user_data.get(key), str)}
        entities = [{"start": entity.start_char, "end": entity.end_char, "type": entity.label_} for entity in doc.ents]
        return {**own, "text": doc.text, "entities": entities}
    words = [token.text for token in doc]
    record = {**{key: stored[key] for key in STORED_KEYS if key in stored}, "tokens": words}
    if stored.get("has_tags", True):
        record["tags"] = tags_from_spans(words, [(entity.start, entity.end, entity.label_) for entity in doc.ents])
    return record
