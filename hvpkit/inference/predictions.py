"""Predictions with character offsets, as the Python API returns them."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hvpkit.inference.prediction_html import Mark, render_prediction
from hvpkit.messages import Message, messages_to_json
from hvpkit.records.codec import object_to_json
from hvpkit.types import ImageSource, Relation, TextEntity, TextSpan, VisualObject


@dataclass(frozen=True, kw_only=True)
class TextPrediction(ABC):
    """What the predictions of both tasks have in common.

    Attributes:
        text: The text.
        image_used: Whether the model saw an image.
        notes: Notes for the user.
        objects: Objects that the model saw.
        image: The image of the input; None without one.
    """

    text: str
    image_used: bool
    notes: tuple[Message, ...] = ()
    objects: tuple[VisualObject, ...] = ()
    image: ImageSource | None = field(default=None, compare=False, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values, as `hvp predict --json` prints them: the keys of a record, with character offsets."""
        objects = [object_to_json(item, _file_name(item)) for item in self.objects]
        seen = {"image_used": self.image_used} | ({"objects": objects} if objects else {})
        return {"text": self.text} | self._labels() | seen | {"notes": messages_to_json(self.notes)}

    def to_json(self, indent: int | None = None) -> str:
        """Return `to_dict` as a JSON document."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=indent)

    def _repr_html_(self) -> str:
        return render_prediction(self.text, self._marks(), self._caption(), self.image, self.objects)

    @abstractmethod
    def _labels(self) -> dict[str, Any]:
        """Return the predicted labels as JSON values."""

    @abstractmethod
    def _marks(self) -> list[Mark]:
        """Return the spans to mark in the text."""

    def _caption(self) -> str:
        return ""


@dataclass(frozen=True, kw_only=True)
class EntityPrediction(TextPrediction):
    """The MNER prediction for one text.

    Attributes:
        entities: Entities in reading order.
    """

    entities: tuple[TextEntity, ...]

    def __repr__(self) -> str:
        entities = ", ".join(f"{e.text!r}: {e.type} {e.confidence:.2f}" for e in self.entities)
        return f"EntityPrediction({self.text!r}, {{{entities}}})"

    def _labels(self) -> dict[str, Any]:
        return {"entities": [asdict(entity) for entity in self.entities]}

    def _marks(self) -> list[Mark]:
        return [Mark(e.start, e.end, e.type, f"{100 * e.confidence:.1f}%") for e in self.entities]


@dataclass(frozen=True, kw_only=True)
class RelationPrediction(TextPrediction):
    """The MRE prediction for one entity pair of a text.

    Attributes:
        head: Head entity.
        tail: Tail entity.
        relation: The predicted relation.
    """

    head: TextSpan
    tail: TextSpan
    relation: Relation

    def __repr__(self) -> str:
        label = f"{self.relation.label} {self.relation.confidence:.2f}"
        return f"RelationPrediction({self.head.text!r} > {label} > {self.tail.text!r})"

    def _labels(self) -> dict[str, Any]:
        relation = asdict(self.relation) | {"probabilities": dict(self.relation.probabilities)}
        return {"head": asdict(self.head), "tail": asdict(self.tail), "relation": relation}

    def _marks(self) -> list[Mark]:
        return [Mark(self.head.start, self.head.end, "head"), Mark(self.tail.start, self.tail.end, "tail")]

    def _caption(self) -> str:
        confidence = f"{100 * self.relation.confidence:.1f}%"
        return f"{self.head.text} > {self.relation.label} ({confidence}) > {self.tail.text}"


Prediction = EntityPrediction | RelationPrediction


def _file_name(item: VisualObject) -> str | None:
    return item.image.name if isinstance(item.image, Path) else None
