"""The plain values that travel through hvpkit: examples in, predictions out (no torch here)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from hvpkit.messages import Message

Task = Literal["mner", "mre"]
Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = ("train", "dev", "test")


@dataclass(frozen=True)
class Span:
    """Words [start, end) of an example."""

    start: int
    end: int


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels of the upright whole image: left, top (inclusive), right, bottom (exclusive)."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class VisualObject:
    """A salient object of an image: a crop file, or a box to cut from the whole image, with what was looked for."""

    image: Path | None = None
    box: Box | None = None
    phrase: str | None = None
    score: float | None = None


@dataclass(frozen=True)
class Example:
    """One sentence with its image.

    `words` are n >= 1 non-empty strings; `tags` (MNER) are n BIO tags; `head`, `tail`, `relation` belong to MRE. Labels are None
    where they are not known. `image` is a file or None; `objects` come best first. `notes` are facts for reports that no model
    sees, such as the kind of clue of a generated example.
    """

    id: str
    words: tuple[str, ...]
    tags: tuple[str, ...] | None = None
    head: Span | None = None
    tail: Span | None = None
    relation: str | None = None
    image: Path | None = None
    objects: tuple[VisualObject, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Labels:
    """What a head can say: BIO tags (`O` first) for MNER, relation classes (`None` first) for MRE."""

    task: Task
    names: tuple[str, ...]

    def index(self, name: str) -> int:
        """Give the position of a label; raises ValueError when it is not one."""
        return self.names.index(name)


@dataclass(frozen=True)
class Entity:
    """A predicted entity over words [start, end); `confidence` is the probability of exactly this span and type, 0..1."""

    start: int
    end: int
    type: str
    confidence: float


@dataclass(frozen=True)
class Relation:
    """A predicted relation: the likeliest class and all class probabilities, likeliest first."""

    label: str
    confidence: float
    probabilities: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class TextEntity:
    """An entity in a text: characters [start, end) of it, the words between them, its type and confidence 0..1."""

    text: str
    type: str
    start: int
    end: int
    confidence: float


@dataclass(frozen=True)
class TextSpan:
    """Characters [start, end) of a text and what stands there."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class EntityPrediction:
    """What MNER says of one text: its entities in reading order, whether an image was seen, remarks for the user, the objects seen."""

    text: str
    entities: tuple[TextEntity, ...]
    image_used: bool
    notes: tuple[Message, ...] = ()
    objects: tuple[VisualObject, ...] = ()


@dataclass(frozen=True)
class RelationPrediction:
    """What MRE says of one pair in a text: the relation, both mentions, whether an image was seen, remarks, the objects seen."""

    text: str
    head: TextSpan
    tail: TextSpan
    relation: Relation
    image_used: bool
    notes: tuple[Message, ...] = ()
    objects: tuple[VisualObject, ...] = ()


Prediction = EntityPrediction | RelationPrediction
