"""Read the JSON Lines that doccano exports: a text with spans of characters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hvpkit.data.readers.base import ReaderContext
from hvpkit.data.readers.record_reader import RecordReader
from hvpkit.data.readers.sample import Sample, has_keys
from hvpkit.messages import Message
from hvpkit.records.issues import ReadingContext, RecordError
from hvpkit.records.json_values import LocatedRecord, read_objects
from hvpkit.types import Task

RECORD_FORMAT = '{"text", "label": [[start, end, type], ...]}'
SPAN_FORMAT = '[start, end, type] or {"start_offset", "end_offset", "label"}'
KEYS = ("entities", "label", "labels")


class DoccanoReader(RecordReader):
    """Reader of entities, or of relations between them.

    Args:
        context: Arguments of every reader.
        task: Whether entities (mner) or relations (mre) are read.
    """

    name = "doccano"

    def __init__(self, context: ReaderContext, *, task: Task = "mner") -> None:
        super().__init__(context)
        self._task = task

    def recognize(self, sample: Sample) -> float:
        """Look for a text with spans in one of the forms of doccano."""
        return 1.0 if any(map(_is_doccano, sample.records)) else 0.0

    def records(self, source: ReadingContext) -> Iterator[LocatedRecord]:
        """Iterate over the texts (MNER) or the relations (MRE)."""
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
        text, relations = record.get("text"), record.get("relations") or []
        if not isinstance(text, str):
            raise RecordError("value-invalid", key="text", expected="a text", found=text)
        key = next((name for name in KEYS if record.get(name) is not None), KEYS[0])
        entities = [_entity(item, key) for item in _list(record.get(key) or [], key)]
        own = {"text": text, **{name: record[name] for name in ("id", "image") if record.get(name) is not None}}
        if self._task == "mner":
            if relations:
                source.warn_file(Message("relations-not-read", count=len(relations)), line, times=len(relations))
            kept = [{name: entity[name] for name in ("start", "end", "type")} for entity in entities]
            return [{**own, "entities": kept}]
        by_id = {entity["id"]: {"start": entity["start"], "end": entity["end"]} for entity in entities}
        return [_pair(item, by_id, own, f"{record.get('id', line)}:") for item in _list(relations, "relations")]


def _is_doccano(record: Mapping[str, Any]) -> bool:
    if not has_keys(record, text=str):
        return False
    spans = [item for key in KEYS if isinstance(record.get(key), list) for item in record[key]]
    if any(isinstance(item, list) and len(item) == 3 for item in spans):
        return True
    return any(isinstance(item, dict) and "start_offset" in item for item in spans)


def _list(value: object, key: str) -> list[Any]:
    if not isinstance(value, list):
        raise RecordError("value-invalid", key=key, expected="a list", found=value)
    return value


def _entity(item: object, key: str) -> dict[str, Any]:
    if isinstance(item, list) and len(item) == 3:
        return {"start": item[0], "end": item[1], "type": item[2], "id": None}
    if isinstance(item, Mapping) and {"start_offset", "end_offset", "label"} <= set(item):
        return {"start": item["start_offset"], "end": item["end_offset"], "type": item["label"], "id": item.get("id")}
    raise RecordError("value-invalid", key=key, expected=SPAN_FORMAT, found=item)


def _pair(item: object, by_id: Mapping[Any, dict[str, Any]], own: Mapping[str, Any], name: str) -> dict[str, Any]:
    if not isinstance(item, Mapping) or not {"from_id", "to_id", "type"} <= set(item):
        raise RecordError("value-invalid", key="relations", expected='{"from_id", "to_id", "type"}', found=item)
    for key in ("from_id", "to_id"):
        if not isinstance(item[key], (int, str)) or item[key] not in by_id:
            raise RecordError("pair-entity-unknown", name=key, entity=item[key], relation=item["type"])
    number = item.get("id", f"{item['from_id']}-{item['to_id']}")
    return {
        **own,
        "id": f"{name}{number}",
        "head": by_id[item["from_id"]],
        "tail": by_id[item["to_id"]],
        "relation": item["type"],
    }
