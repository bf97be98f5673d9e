"""Read the training data of GLiNER: words, and entities as indices of words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hvpkit.data.readers.record_reader import RecordReader, map_records
from hvpkit.data.readers.sample import Sample
from hvpkit.data.readers.word_spans import tags_from_spans
from hvpkit.records.issues import ReadingContext, RecordError
from hvpkit.records.json_values import LocatedRecord, read_objects

RECORD_FORMAT = '{"tokenized_text": [...], "ner": [[first, last, type], ...]}'


class GlinerReader(RecordReader):
    """Reader of a JSON array or JSON Lines of GLiNER; the last word of an entity belongs to it."""

    name = "gliner"

    def recognize(self, sample: Sample) -> float:
        """Look for the keys `tokenized_text` and `ner`."""
        return 1.0 if sample.has(tokenized_text=list, ner=list) else 0.0

    def records(self, source: ReadingContext) -> Iterator[LocatedRecord]:
        """Iterate over the records of the file."""
        return map_records(read_objects(source, RECORD_FORMAT), to_own)


def to_own(record: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a record to the own form.

    Raises:
        RecordError: "value-invalid", or codes of `tags_from_spans`.
    """
    tokens, entities = record.get("tokenized_text"), record.get("ner")
    if not isinstance(tokens, list):
        raise RecordError("value-invalid", key="tokenized_text", expected="a list of words", found=tokens)
    if not isinstance(entities, list):
        raise RecordError("value-invalid", key="ner", expected="a list of [first, last, type]", found=entities)
    spans = []
    for entity in entities:
        if not isinstance(entity, list) or len(entity) != 3:
            raise RecordError("value-invalid", key="ner", expected="[first, last, type]", found=entity)
        first, last, kind = entity
        spans.append((first, last + 1 if type(last) is int else last, kind))
    kept = {key: record[key] for key in ("id", "image") if record.get(key) is not None}
    return {**kept, "tokens": tokens, "tags": tags_from_spans(tokens, spans)}
