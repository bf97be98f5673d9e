"""Values that the public API takes and returns: examples, labels and predictions."""

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
    """Words [start, end) of an example.

    Attributes:
        start: Index of the first word.
        end: Index of the first word after the span.
    """

    start: int
    end: int


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels of the upright full image.

    Attributes:
        left: Left edge, inclusive.
        top: Top edge, inclusive.
        right: Right edge, exclusive.
        bottom: Bottom edge, exclusive.
    """

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class ImageBytes:
    """The content of an image file that is in memory.

    Attributes:
        content: Bytes of the file.
        name: Name of the image in messages.
    """

    content: bytes = field(repr=False)
    name: str = "image in memory"


ImageSource = Path | ImageBytes


@dataclass(frozen=True)
class VisualObject:
    """A detected or annotated object of an image.

    Attributes:
        image: The cropped object; None if `box` is cut from the full image.
        box: Box of the object in the full image.
        phrase: Phrase or class that was detected.
        score: Score of the detector, 0..1.
    """

    image: ImageSource | None = None
    box: Box | None = None
    phrase: str | None = None
    score: float | None = None


@dataclass(frozen=True)
class Example:
    """One sentence with its image. Labels are None where they are unknown.

    Attributes:
        id: Identifier, unique within a split.
        words: At least one word; no word is empty.
        tags: BIO tag of each word (MNER).
        head: Head entity (MRE).
        tail: Tail entity (MRE).
        relation: Relation class (MRE).
        image: The image, a file in prepared data; None without an image.
        objects: Objects of the image, best first.
        metadata: Facts for reports that no model reads, such as the kind of clue of a generated example.
    """

    id: str
    words: tuple[str, ...]
    tags: tuple[str, ...] | None = None
    head: Span | None = None
    tail: Span | None = None
    relation: str | None = None
    image: ImageSource | None = None
    objects: tuple[VisualObject, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Labels:
    """The labels that a head predicts.

    Attributes:
        task: The task.
        names: BIO tags (`O` first) for MNER, relation classes (`None` first) for MRE.
    """

    task: Task
    names: tuple[str, ...]

    def index(self, name: str) -> int:
        """Return the index of a label.

        Raises:
            ValueError: If there is no such label.
        """
        return self.names.index(name)


@dataclass(frozen=True)
class Entity:
    """A predicted entity over words [start, end).

    Attributes:
        start: Index of the first word.
        end: Index of the first word after the entity.
        type: Entity type.
        confidence: Probability 0..1 of exactly this span and type.
    """

    start: int
    end: int
    type: str
    confidence: float


@dataclass(frozen=True)
class Relation:
    """A predicted relation.

    Attributes:
        label: The most probable class.
        confidence: Its probability, 0..1.
        probabilities: All classes with their probabilities, most probable first.
    """

    label: str
    confidence: float
    probabilities: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class TextEntity:
    """An entity in a text.

    Attributes:
        text: The characters of the entity.
        type: Entity type.
        start: Index of the first character.
        end: Index of the first character after the entity.
        confidence: Probability 0..1 of exactly this span and type.
    """

    text: str
    type: str
    start: int
    end: int
    confidence: float


@dataclass(frozen=True)
class TextSpan:
    """Characters [start, end) of a text.

    Attributes:
        text: The characters of the span.
        start: Index of the first character.
        end: Index of the first character after the span.
    """

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class EntityPrediction:
    """The MNER prediction for one text.

    Attributes:
        text: The text.
        entities: Entities in reading order.
        image_used: Whether the model saw an image.
        notes: Notes for the user.
        objects: Objects that the model saw.
    """

    text: str
    entities: tuple[TextEntity, ...]
    image_used: bool
    notes: tuple[Message, ...] = ()
    objects: tuple[VisualObject, ...] = ()


@dataclass(frozen=True)
class RelationPrediction:
    """The MRE prediction for one entity pair of a text.

    Attributes:
        text: The text.
        head: Head entity.
        tail: Tail entity.
        relation: The predicted relation.
        image_used: Whether the model saw an image.
        notes: Notes for the user.
        objects: Objects that the model saw.
    """

    text: str
    head: TextSpan
    tail: TextSpan
    relation: Relation
    image_used: bool
    notes: tuple[Message, ...] = ()
    objects: tuple[VisualObject, ...] = ()


Prediction = EntityPrediction | RelationPrediction
