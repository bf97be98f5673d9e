"""Read records like those of MNRE and DeepKE: a sentence with two entities and any relation on each line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from hvpkit.data.readers.record_reader import RecordReader, map_records
from hvpkit.data.readers.sample import Sample
from hvpkit.errors import DataError
from hvpkit.records.compressed import read_bounded
from hvpkit.records.issues import ReadingContext, RecordError
from hvpkit.records.json_values import LocatedRecord, parse_json, read_objects

RECORD_FORMAT = '{"token": [...], "h": {"name", "pos": [start, end]}, "t": {...}, "img_id", "relation"}'
RELATION_IDS = "*rel2id.json"
MAX_RELATION_IDS = 2**24  # bytes


class DeepkeReader(RecordReader):
    """Reader of lines of JSON or Python literals, which are parsed and not executed."""

    name = "deepke"

    def recognize(self, sample: Sample) -> float:
        """Look for the keys `token`, `h` and `t`."""
        return 1.0 if sample.has(token=list, h=dict, t=dict) else 0.0

    def records(self, source: ReadingContext) -> Iterator[LocatedRecord]:
        """Iterate over the pairs."""
        for located in map_records(read_objects(source, RECORD_FORMAT, literals=True), to_own):
            if isinstance(located.value, dict) and "id" not in located.value:
                image = located.value.get("image")
                stem = PurePosixPath(image).stem if isinstance(image, str) and image else source.split
                located.value["id"] = f"{stem}:{located.line}"
            yield located

    def relation_order(self, files: Sequence[Path]) -> Sequence[str]:
        """Read the order of relations from the file `*rel2id.json` next to the data.

        Raises:
            DataError: "relation-order-invalid".
        """
        for folder in dict.fromkeys(file.parent for file in files):
            if found := sorted(folder.glob(RELATION_IDS)):
                return _read_relation_ids(found[0])
        return ()


def to_own(record: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a record to the own form.

    Raises:
        RecordError: "keys-missing" or "value-invalid".
    """
    missing = [key for key in ("token", "h", "t", "relation") if key not in record]
    if missing:
        raise RecordError("keys-missing", missing=missing, keys=list(record))
    own = {"tokens": record["token"], "relation": record["relation"]}
    own |= {key: record[key] for key in ("id",) if record.get(key) is not None}
    own |= {"image": record["img_id"]} if record.get("img_id") else {}
    return {**own, "head": _span(record["h"], "h"), "tail": _span(record["t"], "t")}


def _span(value: object, key: str) -> dict[str, Any]:
    position = value.get("pos") if isinstance(value, Mapping) else None
    if not isinstance(position, (list, tuple)) or len(position) != 2:
        raise RecordError("value-invalid", key=key, expected='{"name": ..., "pos": [start, end]}', found=value)
    return {"start": position[0], "end": position[1]}


def _read_relation_ids(file: Path) -> list[str]:
    try:
        ids = parse_json(read_bounded(file, MAX_RELATION_IDS).decode("utf-8", "replace"), '{"relation": id}')
    except RecordError as error:
        raise DataError("relation-order-invalid", file=file) from error
    if not all(type(number) is int for number in ids.values()):
        raise DataError("relation-order-invalid", file=file)
    return sorted(ids, key=lambda relation: ids[relation])
