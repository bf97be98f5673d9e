"""Read the JSON export of Label Studio: tasks with annotated texts and images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, urlsplit

from hvpkit.data.readers.base import ReaderContext
from hvpkit.data.readers.documents import Document, DocumentEntity, DocumentPair, document_records
from hvpkit.data.readers.record_reader import RecordReader
from hvpkit.data.readers.sample import Sample, has_keys
from hvpkit.records.issues import ReadingContext, RecordError
from hvpkit.records.json_values import LocatedRecord, read_objects
from hvpkit.types import Task

RECORD_FORMAT = '{"data": {"text", "image"}, "annotations": [{"result": [...]}]}'


class LabelStudioReader(RecordReader):
    """Reader of the first annotation of each task that is not cancelled; each line of a text is an example.

    Args:
        context: Arguments of every reader.
        task: Whether entities (mner) or relations (mre) are read.
    """

    name = "label-studio"

    def __init__(self, context: ReaderContext, *, task: Task = "mner") -> None:
        super().__init__(context)
        self._task = task

    def recognize(self, sample: Sample) -> float:
        """Look for the keys `data` and `annotations`."""
        return 1.0 if sample.has(data=dict, annotations=list) else 0.0

    def records(self, source: ReadingContext) -> Iterator[LocatedRecord]:
        """Iterate over the lines of the texts (MNER) or the relations (MRE)."""
        for located in read_objects(source, RECORD_FORMAT):
            if isinstance(located.value, RecordError):
                yield located
                continue
            try:
                document = parse_task(located.value, f"{source.split}-{located.line}")
            except RecordError as error:
                yield LocatedRecord(located.line, error)
                continue
            yield from document_records(document, self._task, source, located.line)


def parse_task(record: Mapping[str, Any], default_id: str) -> Document:
    """Parse a task of Label Studio.

    Args:
        record: The task.
        default_id: Id of a task that has none.

    Raises:
        RecordError: "value-invalid" or "annotation-missing".
    """
    data, annotations = record.get("data"), record.get("annotations")
    if not isinstance(data, Mapping) or not isinstance(data.get("text"), str):
        raise RecordError("value-invalid", key="data", expected='{"text": ...}', found=data)
    if not isinstance(annotations, list):
        raise RecordError("value-invalid", key="annotations", expected="a list", found=annotations)
    valid = (item for item in annotations if isinstance(item, Mapping) and not item.get("was_cancelled"))
    annotation = next(valid, None)
    if annotation is None:
        raise RecordError("annotation-missing", id=str(record.get("id", default_id)))
    result = annotation.get("result")
    if not isinstance(result, list):
        raise RecordError("value-invalid", key="result", expected="a list", found=result)
    items = [item for item in result if isinstance(item, Mapping)]
    entities = {
        str(item.get("id", f"entity {n}")): _entity(item) for n, item in enumerate(items) if _is(item, "labels")
    }
    identity = str(record.get("id", default_id))
    return Document(identity, data["text"], entities, _pairs(items), _image_name(data.get("image")))


def _is(item: Mapping[str, Any], kind: str) -> bool:
    return item.get("type") == kind


def _entity(item: Mapping[str, Any]) -> DocumentEntity:
    value = item.get("value")
    if isinstance(value, Mapping) and has_keys(value, start=int, end=int, labels=list):
        if len(value["labels"]) == 1 and isinstance(value["labels"][0], str):
            return DocumentEntity(value["start"], value["end"], value["labels"][0])
    raise RecordError("value-invalid", key="value", expected='{"start", "end", "labels": [type]}', found=value)


def _pairs(items: Sequence[Mapping[str, Any]]) -> list[DocumentPair]:
    pairs = []
    for number, item in enumerate((item for item in items if _is(item, "relation")), 1):
        labels = item.get("labels")
        if not isinstance(labels, list) or len(labels) != 1 or not isinstance(labels[0], str):
            raise RecordError("value-invalid", key="labels", expected="one relation", found=labels)
        head, tail = str(item.get("from_id")), str(item.get("to_id"))
        pairs.append(DocumentPair(f"R{number}", head, tail, labels[0]))
    return pairs


def _image_name(value: object) -> str | None:
    """Return the file name of an uploaded or local image; other names, such as URLs, are kept."""
    if not isinstance(value, str) or not value:
        return None
    url = urlsplit(value)
    if not url.scheme and url.path.startswith("/data/"):
        return PurePosixPath(parse_qs(url.query).get("d", [url.path])[0]).name
    return value
