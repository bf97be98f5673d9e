"""Convert spans, boxes, objects and examples to JSON and back, and check examples."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import astuple
from numbers import Real
from pathlib import Path, PurePosixPath
from typing import Any, TypeGuard

from hvpkit.errors import DataError
from hvpkit.records.issues import RecordError
from hvpkit.types import Box, Example, ImageBytes, ImageSource, Labels, Span, VisualObject

MAX_NUMBER = 1e9  # of boxes and scores; larger integers may be no floats


def span_to_json(span: Span) -> list[int]:
    """Convert a span to [start, end]."""
    return [span.start, span.end]


def span_from_json(value: object, name: str) -> tuple[int, int]:
    """Parse a span from [start, end] or {"start", "end"}.

    Args:
        value: Value of the record.
        name: Name of the span in messages.

    Raises:
        RecordError: "span-missing" or "span-not-integers".
    """
    edges = [value.get("start"), value.get("end")] if isinstance(value, Mapping) else value
    if not isinstance(edges, (list, tuple)) or len(edges) != 2 or None in edges:
        raise RecordError("span-missing", name=name, expected='[start, end] or {"start": ..., "end": ...}', found=value)
    start, end = edges
    if type(start) is not int or type(end) is not int:
        raise RecordError("span-not-integers", name=name, start=start, end=end)
    return start, end


def box_to_json(box: Box | None) -> list[float] | None:
    """Convert a box to [left, top, right, bottom] in pixels."""
    return None if box is None else list(astuple(box))


def box_from_json(value: Any) -> Box:  # noqa: ANN401 - any JSON value, a Box, or an array of numbers
    """Parse a box from [left, top, right, bottom] in pixels.

    Raises:
        RecordError: "box-invalid".
    """
    edges = astuple(value) if isinstance(value, Box) else value
    edges = edges.tolist() if hasattr(edges, "tolist") else edges
    if isinstance(edges, (list, tuple)) and len(edges) == 4 and all(map(_is_number, edges)):
        left, top, right, bottom = map(float, edges)
        if left < right and top < bottom:
            return Box(left, top, right, bottom)
    raise RecordError("box-invalid", found=value)


def object_to_json(item: VisualObject, image: str | None) -> dict[str, Any]:
    """Convert an object to a JSON record, without fields that are not set.

    Args:
        item: Object to convert.
        image: Name of its crop; None without a crop, or if it has no name.
    """
    fields = {"image": image, "box": box_to_json(item.box), "phrase": item.phrase, "score": item.score}
    return {name: value for name, value in fields.items() if value is not None}


def object_from_json(record: Mapping[str, Any], image: ImageSource | None) -> VisualObject:
    """Parse the JSON record of an object; a phrase or score of another type is left out.

    Args:
        record: Record with "box", "phrase" and "score".
        image: Crop of the object.

    Raises:
        RecordError: "box-invalid".
    """
    box, phrase, score = (record.get(key) for key in ("box", "phrase", "score"))
    return VisualObject(
        image=image,
        box=None if box is None else box_from_json(box),
        phrase=phrase if isinstance(phrase, str) else None,
        score=float(score) if _is_number(score) else None,
    )


def _is_number(value: Any) -> TypeGuard[float]:  # noqa: ANN401 - any JSON value
    """Check for a number of at most `MAX_NUMBER`, which is not NaN."""
    number: Any = value
    return isinstance(value, Real) and not isinstance(value, bool) and bool(abs(number) <= MAX_NUMBER)


def canonical_json(example: Example) -> bytes:
    """Serialize id, words and labels of an example for fingerprints, without images and metadata."""
    spans = [None if span is None else [span.start, span.end] for span in (example.head, example.tail)]
    tags = None if example.tags is None else list(example.tags)
    values = [example.id, list(example.words), tags, *spans, example.relation]
    return json.dumps(values, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


def check_example(example: Example, labels: Labels) -> None:
    """Check that words, tags and spans are consistent and that every label is one of `labels`.

    Raises:
        DataError: "example-word-empty", "example-span-outside", "example-without-pair",
            "example-tag-count-mismatch" or "example-label-unknown".
    """
    n = len(example.words)
    if not n or not all(example.words):
        raise DataError("example-word-empty", id=example.id, words=list(example.words)[:5])
    for span in (example.head, example.tail):
        if span is not None and not 0 <= span.start < span.end <= n:
            raise DataError("example-span-outside", id=example.id, start=span.start, end=span.end, length=n)
    if labels.task == "mre" and (example.head is None or example.tail is None):
        raise DataError("example-without-pair", id=example.id)
    if example.tags is not None and len(example.tags) != n:
        raise DataError("example-tag-count-mismatch", id=example.id, found=len(example.tags), expected=n)
    if labels.task == "mner":
        used_labels = example.tags or ()
    else:
        used_labels = () if example.relation is None else (example.relation,)
    for label in used_labels:
        if label not in labels.names:
            raise DataError("example-label-unknown", id=example.id, label=label, labels=labels.names)


def example_to_json(example: Example, root: Path | None) -> dict[str, Any]:
    """Convert an example to a JSON record, without fields that are not set.

    Args:
        example: Example to convert.
        root: Folder that image paths are relative to.

    Raises:
        DataError: "image-outside-folder" if an image is not inside `root`, "image-not-in-file" if it is in memory.
    """
    record: dict[str, Any] = {"id": example.id, "words": list(example.words)}
    if example.tags is not None:
        record["tags"] = list(example.tags)
    for name, span in (("head", example.head), ("tail", example.tail)):
        if span is not None:
            record[name] = span_to_json(span)
    if example.relation is not None:
        record["relation"] = example.relation
    if example.image is not None:
        record["image"] = _relative(example.image, root)
    if example.objects:
        record["objects"] = [
            object_to_json(item, None if item.image is None else _relative(item.image, root))
            for item in example.objects
        ]
    if example.metadata:
        record["notes"] = dict(example.metadata)
    return record


def example_from_json(record: dict[str, Any], root: Path | None) -> Example:
    """Build an example from its JSON record.

    Args:
        record: Record of `example_to_json`.
        root: Folder that image paths are relative to.

    Raises:
        RecordError: "span-missing", "span-not-integers" or "box-invalid".
        ValueError: If another value is invalid; also KeyError and TypeError.
    """
    return Example(
        id=record["id"],
        words=tuple(record["words"]),
        tags=tuple(record["tags"]) if "tags" in record else None,
        head=Span(*span_from_json(record["head"], "head")) if "head" in record else None,
        tail=Span(*span_from_json(record["tail"], "tail")) if "tail" in record else None,
        relation=record.get("relation"),
        image=_absolute(record["image"], root) if "image" in record else None,
        objects=tuple(
            object_from_json(item, _absolute(item["image"], root) if "image" in item else None)
            for item in record.get("objects", ())
        ),
        metadata=dict(record.get("notes", {})),
    )


def _relative(path: ImageSource, root: Path | None) -> str:
    if isinstance(path, ImageBytes):
        raise DataError("image-not-in-file", image=path.name)
    base = None if root is None else Path(os.path.abspath(root))
    absolute = Path(os.path.abspath(path))
    if base is None or not absolute.is_relative_to(base):
        raise DataError("image-outside-folder", image=str(path), folder=root)
    return absolute.relative_to(base).as_posix()


def _absolute(path: str, root: Path | None) -> Path:
    pure = PurePosixPath(path)
    if root is None or pure.is_absolute() or ".." in pure.parts:
        raise ValueError(f"image path {path!r} is not inside the images root")
    return root / pure
