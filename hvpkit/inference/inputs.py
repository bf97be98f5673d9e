"""Inputs of prediction, and their conversion to examples with character offsets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL.Image import Image

from hvpkit.errors import ImageError, InputError, MissingImageError
from hvpkit.images.decode import check_image
from hvpkit.messages import Message
from hvpkit.records.mentions import MentionPair
from hvpkit.records.parse import parse_record
from hvpkit.records.sentence import char_span, join_words
from hvpkit.types import Example, ImageSource, TextSpan, VisualObject

if TYPE_CHECKING:
    from hvpkit.config.recipe import Recipe

ImageInput = str | PathLike[str] | bytes | Image
ObjectInput = ImageInput | VisualObject | Mapping[str, Any]
MentionInput = str | Sequence[int] | Mapping[str, Any]


@dataclass(frozen=True)
class PredictionInput:
    """Input of a prediction: a text with its image.

    Attributes:
        text: Text, or a list of its words.
        image: Image: file, its bytes, or opened image.
        head: Head entity (MRE): words of the text, or [start, end) in characters of a text or in words of a list.
        tail: Tail entity (MRE), likewise.
        objects: Objects of the image: crops, `VisualObject`s, or mappings of their fields, such as
            {"box": [left, top, right, bottom]} in pixels. None: not known, so they may be detected. Empty: the image
            has no objects.
        id: Id of the example.
    """

    text: str | Sequence[str]
    image: ImageInput | None = None
    head: MentionInput | None = None
    tail: MentionInput | None = None
    objects: Sequence[ObjectInput] | None = None
    id: str | int | None = None

    def to_record(self) -> dict[str, object]:
        """Return the input as a record, which `hvpkit.records.parse` reads as it reads a line of a file."""
        words = "text" if isinstance(self.text, str) or not isinstance(self.text, Sequence) else "tokens"
        names = ("image", "head", "tail", "objects", "id")
        return {words: self.text} | {name: getattr(self, name) for name in names}


PredictionRequest = PredictionInput | Mapping[str, Any] | Sequence[str]


@dataclass(frozen=True)
class ParsedInput:
    """A validated input.

    Attributes:
        text: Text.
        words: Words with character offsets.
        example: Example of the words.
        mentions: Head and tail entity (MRE).
        notes: Notes on the input.
        has_known_objects: Whether the user listed the objects; otherwise they may be detected
            (hvpkit/inference/attach_objects.py).
    """

    text: str
    words: tuple[TextSpan, ...]
    example: Example
    mentions: MentionPair | None
    notes: tuple[Message, ...]
    has_known_objects: bool = False


def parse_input(
    request: PredictionRequest, recipe: Recipe, root: Path | None = None, default_id: str = "1"
) -> ParsedInput:
    """Parse an input and check it against a recipe.

    Args:
        request: Input; a text, a list of words, or the record of a file.
        recipe: Recipe of the model.
        root: Folder that the images of a file are relative to and must stay inside; None for an input of a program.
        default_id: Id of an input without id.

    Raises:
        InputError: "input-invalid" for another type, or codes of `parse_record`.
    """
    record = _to_record(request)
    if not recipe.uses_images:
        record = {key: value for key, value in record.items() if key not in ("image", "objects")}
    parsed = parse_record(record, root=root, task=recipe.task, labeled=False)
    example, crop_notes = _drop_unreadable_crops(parsed.example) if recipe.uses_objects else (parsed.example, ())
    example = replace(example, id=example.id or default_id)
    issue_notes = (issue.message for issue in parsed.issues)
    image_notes = _image_notes(example.image, not parsed.objects_given, example.objects, recipe)
    notes = (*issue_notes, *crop_notes, *image_notes)
    return ParsedInput(parsed.text, parsed.words, example, parsed.mentions, notes, parsed.objects_given)


def parse_example(example: Example, recipe: Recipe) -> ParsedInput:
    """Convert an example of prepared data: its words are joined by spaces, head and tail get character offsets.

    Args:
        example: Example.
        recipe: Recipe of the model.
    """
    text, words = join_words(example.words)
    mentions = None
    if example.head is not None and example.tail is not None:
        mentions = MentionPair(char_span(example.head, text, words), char_span(example.tail, text, words))
    notes = tuple(_image_notes(example.image, False, example.objects, recipe))
    if not recipe.uses_images:
        example = replace(example, image=None, objects=())
    return ParsedInput(text, words, example, mentions, notes, True)


def _to_record(request: PredictionRequest) -> Mapping[str, object]:
    if isinstance(request, Mapping):
        return request
    if isinstance(request, PredictionInput):
        return request.to_record()
    if isinstance(request, Sequence) and not isinstance(request, bytes):
        return PredictionInput(request).to_record()
    raise InputError("input-invalid", found=request)


def _drop_unreadable_crops(example: Example) -> tuple[Example, tuple[Message, ...]]:
    """Return an example without the crops that cannot be decoded, and a note on each; their boxes stay."""
    objects: list[VisualObject] = []
    notes: list[Message] = []
    for item in example.objects:
        note = None if item.image is None else _crop_note(item.image)
        notes += [] if note is None else [note]
        if note is None:
            objects.append(item)
        elif item.box is not None and example.image is not None:
            objects.append(replace(item, image=None))
    return replace(example, objects=tuple(objects)), tuple(notes)


def _crop_note(crop: ImageSource) -> Message | None:
    try:
        check_image(crop)
    except MissingImageError:
        return Message("crop-missing", crop=str(crop))
    except ImageError as error:
        return Message("crop-unreadable", reason=error.message)
    return None


def _image_notes(
    image: ImageSource | None, may_detect: bool, objects: Sequence[VisualObject], recipe: Recipe
) -> list[Message]:
    vision = recipe.vision
    if vision is None or recipe.data.text_only:
        return [Message("model-without-images")]
    notes = []
    if image is None and not objects:
        notes.append(Message("image-not-given"))
    elif not vision.full_image and not objects and not (may_detect and recipe.data.objects):
        notes.append(Message("no-objects-to-read"))
    if objects and not vision.max_objects:
        notes.append(Message("objects-not-read", count=len(objects)))
    elif len(objects) > vision.max_objects:
        notes.append(Message("too-many-objects", count=len(objects), maximum=vision.max_objects))
    return notes
