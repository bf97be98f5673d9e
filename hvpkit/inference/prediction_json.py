"""Predictions and what they are made from as JSON lines (no torch)."""

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
GOLD = ("tags", "entities", "relation", "notes")  # what labelled data has besides
FORM = '{"text" or "tokens", "image", "head", "tail"}'


def prediction_to_json(prediction: Prediction) -> dict[str, Any]:
    """Give a prediction as JSON values; entities, head, tail and relation stand as in hvpkit's own data, characters counted."""
    if isinstance(prediction, EntityPrediction):
        found: dict[str, Any] = {"text": prediction.text, "entities": [asdict(entity) for entity in prediction.entities]}
    else:
        relation = prediction.relation
        found = {"text": prediction.text, "head": asdict(prediction.head), "tail": asdict(prediction.tail)}
        found |= {"relation": relation.label, "confidence": relation.confidence, "probabilities": dict(relation.probabilities)}
    objects = {"objects": [object_to_json(item) for item in prediction.objects]} if prediction.objects else {}
    return found | {"image": prediction.image_used} | objects | {"remarks": list(prediction.notes)}


def object_to_json(item: VisualObject) -> dict[str, Any]:
    """Give an object as JSON values, in pixels of the upright image."""
    box = None if item.box is None else list(astuple(item.box))
    fields = {"image": None if item.image is None else item.image.name, "box": box, "phrase": item.phrase, "score": item.score}
    return {name: value for name, value in fields.items() if value is not None}


# ------------------------------------------------------------------------------------------------------------- JSON to input
def parse_json_object(content: bytes) -> dict[str, Any]:
    """Read one line as a JSON object; raises DataError."""
    try:
        record = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError("line-not-json", reason=str(error), text=_beginning(content), expected=FORM) from None
    if not isinstance(record, dict):
        raise DataError("record-not-object", expected=FORM, found=_beginning(content))
    return record


def _beginning(content: bytes) -> str:
    return content.decode(errors="replace").strip()[:60]


def input_from_json(record: Mapping[str, Any], folder: Path) -> PredictionInput:
    """Read an input from a line's object; images are relative to `folder` and may not leave it.

    Raises DataError for values of another kind than expected, and for a path that leaves the folder, links followed.
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
        remarks=tuple(remark for key in record if (remark := _remark(key))),
    )


def _mention(role: str, record: Mapping[str, Any], tokens: Sequence[str] | None) -> Mention | None:
    given = record.get(role)
    if given is None or isinstance(given, str):
        return given
    edges = [given.get("start"), given.get("end")] if isinstance(given, dict) else given
    if not isinstance(edges, list) or len(edges) != 2 or not all(type(edge) is int for edge in edges):
        unit = "characters" if tokens is None else "tokens"
        raise DataError("mention-record-invalid", role=role, unit=unit, found=given)
    return (edges[0], edges[1]) if tokens is None else _characters(role, edges[0], edges[1], tokens)


def _characters(role: str, start: int, end: int, tokens: Sequence[str]) -> tuple[int, int]:
    _, words = join_tokens(tokens)
    if not 0 <= start < end <= len(words):
        raise DataError("mention-outside-tokens", role=role, start=start, end=end, count=len(words))
    return words[start].start, words[end - 1].end


@lru_cache(maxsize=256)
def _remark(key: str) -> Message | None:
    """Tell a misspelt key from one that is nobody's business here."""
    near = [] if key in KEYS or key in GOLD else get_close_matches(key, KEYS, n=1, cutoff=0.75)
    return Message("key-misspelled", key=key, nearest=near[0]) if near else None


def _objects(given: object, folder: Path) -> list[VisualObject] | None:
    if given is None:
        return None
    if not isinstance(given, list):
        raise DataError("objects-not-list", found=given)
    return [_object({"image": item} if isinstance(item, str) else item, folder) for item in given]


def _object(given: object, folder: Path) -> VisualObject:
    if not isinstance(given, dict):
        raise DataError("object-record-invalid", found=given)
    return object_from_json(given, lambda name: _image("objects", name, folder))


def _image(key: str, given: object, folder: Path) -> Path:
    if not isinstance(given, str) or not given:
        raise DataError("image-not-file-name", key=key, found=given)
    try:
        path = folder / given
        inside = not PurePosixPath(given).is_absolute() and Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
    except (OSError, ValueError) as error:  # a name that no file can have
        raise DataError("image-name-invalid", key=key, name=given, reason=str(error)) from None
    if not inside or ".." in PurePosixPath(given).parts:
        raise DataError("image-outside-folder", image=given, folder=os.path.abspath(folder))
    return path
