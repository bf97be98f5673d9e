"""Conversion of prediction inputs and predictions from and to JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from hvpkit.errors import DataError
from hvpkit.inference.inputs import PredictionInput, join_tokens, object_from_json
from hvpkit.messages import Message
from hvpkit.records.mentions import Mention
from hvpkit.types import EntityPrediction, Prediction, VisualObject

KEYS = ("id", "text", "tokens", "image", "objects", "head", "tail")
GOLD = ("tags", "entities", "relation", "notes")  # further keys of labeled records, ignored here
RECORD_FORMAT = '{"text" or "tokens", "image", "head", "tail"}'


def prediction_to_json(prediction: Prediction) -> dict[str, Any]:
    """Convert a prediction to JSON values, in the format of hvpkit's records with character offsets."""
    record: dict[str, Any] = {"text": prediction.text}
    if isinstance(prediction, EntityPrediction):
        record["entities"] = [asdict(entity) for entity in prediction.entities]
    else:
        relation = prediction.relation
        record |= {"head": asdict(prediction.head), "tail": asdict(prediction.tail), "relation": relation.label}
        record |= {"confidence": relation.confidence, "probabilities": dict(relation.probabilities)}
    objects = {"objects": [object_to_json(item) for item in prediction.objects]} if prediction.objects else {}
    return record | {"image_used": prediction.image_used} | objects | {"notes": list(prediction.notes)}


def object_to_json(item: VisualObject) -> dict[str, Any]:
    """Convert an object to JSON values; its box is in pixels of the upright image."""
    box = None if item.box is None else list(astuple(item.box))
    image = None if item.image is None else item.image.name
    fields = {"image": image, "box": box, "phrase": item.phrase, "score": item.score}
    return {name: value for name, value in fields.items() if value is not None}


def parse_json_object(content: bytes) -> dict[str, Any]:
    """Parse a line as a JSON object.

    Raises:
        DataError: "line-not-json" or "record-not-object".
    """
    try:
        record = json.loads(content)
    except (ValueError, RecursionError):
        raise DataError("line-not-json", text=_beginning(content), expected=RECORD_FORMAT) from None
    if not isinstance(record, dict):
        raise DataError("record-not-object", expected=RECORD_FORMAT, found=_beginning(content))
    return record


def _beginning(content: bytes) -> str:
    return content.decode(errors="replace").strip()[:60]


def input_from_json(record: Mapping[str, Any], folder: Path) -> PredictionInput:
    """Convert a JSON object to an input.

    Args:
        record: JSON object.
        folder: Folder that image names are relative to and must be in, symbolic links resolved.

    Raises:
        DataError: A value has another type than expected, or "image-outside-folder".
    """
    tokens, text = record.get("tokens"), record.get("text")
    if tokens is not None and text is not None:
        raise DataError("tokens-and-text")
    if tokens is None and text is None:
        raise DataError("record-of-prepared-data") if "words" in record else DataError("text-missing")
    if text is not None and not isinstance(text, str):
        raise DataError("text-not-a-string", found=text)
    if tokens is not None and not (isinstance(tokens, list) and all(isinstance(token, str) for token in tokens)):
        raise DataError("tokens-not-strings", found=tokens)
    image = record.get("image")
    return PredictionInput(
        text=text or tokens or "",
        image=None if image is None else _image("image", image, folder),
        head=_mention("head", record, tokens),
        tail=_mention("tail", record, tokens),
        objects=_objects(record.get("objects"), folder),
        id=record.get("id"),
        notes=tuple(note for key in record if (note := _misspelling_note(key))),
    )


def _mention(role: str, record: Mapping[str, Any], tokens: Sequence[str] | None) -> Mention | None:
    value = record.get(role)
    if value is None or isinstance(value, str):
        return value
    edges = [value.get("start"), value.get("end")] if isinstance(value, dict) else value
    if not isinstance(edges, list) or len(edges) != 2 or not all(type(edge) is int for edge in edges):
        unit = "characters" if tokens is None else "tokens"
        raise DataError("mention-record-invalid", role=role, unit=unit, found=value)
    return (edges[0], edges[1]) if tokens is None else _token_characters(role, edges[0], edges[1], tokens)


def _token_characters(role: str, start: int, end: int, tokens: Sequence[str]) -> tuple[int, int]:
    _, words = join_tokens(tokens)
    if not 0 <= start < end <= len(words):
        raise DataError("mention-outside-tokens", role=role, start=start, end=end, count=len(words))
    return words[start].start, words[end - 1].end


@lru_cache(maxsize=256)
def _misspelling_note(key: str) -> Message | None:
    """Return a note for a key that is probably misspelled; other unknown keys are ignored."""
    near = [] if key in KEYS or key in GOLD else get_close_matches(key, KEYS, n=1, cutoff=0.75)
    return Message("key-misspelled", key=key, nearest=near[0]) if near else None


def _objects(value: object, folder: Path) -> list[VisualObject] | None:
    if value is None:
        return None
    if not isinstance(value, list):
        raise DataError("objects-not-list", found=value)
    return [_object({"image": item} if isinstance(item, str) else item, folder) for item in value]


def _object(value: object, folder: Path) -> VisualObject:
    if not isinstance(value, dict):
        raise DataError("object-record-invalid", found=value)
    return object_from_json(value, lambda name: _image("objects", name, folder))


def _image(key: str, name: object, folder: Path) -> Path:
    if not isinstance(name, str) or not name:
        raise DataError("image-not-file-name", key=key, found=name)
    try:
        path = folder / name
        resolved = Path(os.path.realpath(path))
        is_inside = not PurePosixPath(name).is_absolute() and resolved.is_relative_to(os.path.realpath(folder))
    except (OSError, ValueError) as error:  # not a valid file name
        raise DataError("image-name-invalid", key=key, name=name, reason=str(error)) from None
    if not is_inside or ".." in PurePosixPath(name).parts:
        raise DataError("image-outside-folder", image=name, folder=os.path.abspath(folder))
    return path
