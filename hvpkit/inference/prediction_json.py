"""Conversion of predictions to JSON."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from hvpkit.records.codec import object_to_json
from hvpkit.types import EntityPrediction, Prediction, VisualObject


def prediction_to_json(prediction: Prediction) -> dict[str, Any]:
    """Convert a prediction to JSON values, in the format of hvpkit's records with character offsets."""
    record: dict[str, Any] = {"text": prediction.text}
    if isinstance(prediction, EntityPrediction):
        record["entities"] = [asdict(entity) for entity in prediction.entities]
    else:
        relation = prediction.relation
        record |= {"head": asdict(prediction.head), "tail": asdict(prediction.tail), "relation": relation.label}
        record |= {"confidence": relation.confidence, "probabilities": dict(relation.probabilities)}
    objects = [object_to_json(item, _file_name(item)) for item in prediction.objects]
    record |= {"image_used": prediction.image_used} | ({"objects": objects} if objects else {})
    return record | {"notes": list(prediction.notes)}


def _file_name(item: VisualObject) -> str | None:
    return item.image.name if isinstance(item.image, Path) else None
