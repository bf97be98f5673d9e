"""Convert examples to JSON records of prepared data and back, and check examples."""

from __future__ import annotations

import json
import os
from dataclasses import astuple
from pathlib import Path, PurePosixPath
from typing import Any

from hvpkit.errors import DataError
from hvpkit.types import Box, Example, Labels, Span, VisualObject


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
        DataError: "image-outside-folder" if an image is not inside `root`.
    """
    record: dict[str, Any] = {"id": example.id, "words": list(example.words)}
    if example.tags is not None:
        record["tags"] = list(example.tags)
    for name, span in (("head", example.head), ("tail", example.tail)):
        if span is not None:
            record[name] = [span.start, span.end]
    if example.relation is not None:
        record["relation"] = example.relation
    if example.image is not None:
        record["image"] = _relative(example.image, root)
    if example.objects:
        record["objects"] = [_object_to_json(item, root) for item in example.objects]
    if example.metadata:
        record["notes"] = dict(example.metadata)
    return record


def example_from_json(record: dict[str, Any], root: Path | None) -> Example:
    """Build an example from its JSON record.

    Args:
        record: Record of `example_to_json`.
        root: Folder that image paths are relative to.

    Raises:
        ValueError: If a value is invalid; also KeyError and TypeError.
    """
    return Example(
        id=record["id"],
        words=tuple(record["words"]),
        tags=tuple(record["tags"]) if "tags" in record else None,
        head=Span(*record["head"]) if "head" in record else None,
        tail=Span(*record["tail"]) if "tail" in record else None,
        relation=record.get("relation"),
        image=_absolute(record["image"], root) if "image" in record else None,
        objects=tuple(_object_from_json(item, root) for item in record.get("objects", ())),
        metadata=dict(record.get("notes", {})),
    )


def _object_to_json(item: VisualObject, root: Path | None) -> dict[str, Any]:
    box = None if item.box is None else list(astuple(item.box))
    image = None if item.image is None else _relative(item.image, root)
    fields = {"image": image, "box": box, "phrase": item.phrase, "score": item.score}
    return {name: value for name, value in fields.items() if value is not None}


def _object_from_json(record: dict[str, Any], root: Path | None) -> VisualObject:
    return VisualObject(
        image=_absolute(record["image"], root) if "image" in record else None,
        box=Box(*record["box"]) if "box" in record else None,
        phrase=record.get("phrase"),
        score=record.get("score"),
    )


def _relative(path: Path, root: Path | None) -> str:
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
