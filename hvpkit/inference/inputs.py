"""Inputs of prediction, and their conversion to examples with character offsets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from numbers import Real
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hvpkit.errors import DataError, InputError
from hvpkit.labels.word_tokenizer import tokenize
from hvpkit.messages import Message
from hvpkit.records.mentions import Mention, MentionPair, covered_words, locate_mentions, split_words_at
from hvpkit.types import Box, Example, Span, TextSpan, VisualObject

if TYPE_CHECKING:
    from PIL.Image import Image

    from hvpkit.config.recipe import Recipe


@dataclass(frozen=True)
class PredictionInput:
    """Input of a prediction: a text with its image.

    Attributes:
        text: Text, or a list of its words, which are joined by spaces.
        image: Image file or opened image.
        head: Head entity (MRE): words of the text, or characters [start, end).
        tail: Tail entity (MRE), likewise.
        objects: Objects of the image, best first: crops (files or opened images), `VisualObject`s or mappings of
            their fields, such as {"box": [x0, y0, x1, y1]} in pixels. None: not known, so they may be
            detected. Empty: the image has no objects.
        id: Id of the example.
        notes: Notes that are added to the prediction.
    """

    text: str | Sequence[str]
    image: str | PathLike[str] | Image | None = None
    head: Mention | None = None
    tail: Mention | None = None
    objects: Sequence[str | PathLike[str] | Image | VisualObject | Mapping[str, Any]] | None = None
    id: str | int | None = None
    notes: tuple[Message, ...] = ()


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


def to_prediction_input(value: PredictionInput | Mapping[str, Any] | Sequence[str]) -> PredictionInput:
    """Convert a text, a list of words, or a mapping of fields to a `PredictionInput`.

    Raises:
        InputError: "input-invalid" for another type or an unknown field.
    """
    if isinstance(value, PredictionInput):
        return value
    try:
        return PredictionInput(value) if isinstance(value, Sequence) else PredictionInput(**value)
    except TypeError as error:
        raise InputError(
            "input-invalid", names=list(PredictionInput.__dataclass_fields__), found=value, reason=str(error)
        ) from None


def parse_input(value: PredictionInput, recipe: Recipe) -> ParsedInput:
    """Tokenize an input, locate head and tail, and check the input against a recipe.

    Args:
        value: Input; its images must be files.
        recipe: Recipe of the model.

    Raises:
        DataError: The text is blank, a mention is not in the text, or an image or object is invalid.
        InputError: "pair-unexpected", "pair-missing" or "mention-missing" if head and tail do not fit the task.
    """
    text, words = _tokenize_input(value.text)
    mentions = _locate_pair(text, words, value, recipe)
    if mentions is not None:
        words = split_words_at(words, (mentions.head, mentions.tail))
    image = None if value.image is None else _image_path(value.image)
    objects = tuple(_parse_object(item, image) for item in value.objects or ())
    uses_images = recipe.uses_images
    example = Example(
        id="1" if value.id is None else str(value.id),
        words=tuple(word.text for word in words),
        head=None if mentions is None else covered_words(mentions.head, words),
        tail=None if mentions is None else covered_words(mentions.tail, words),
        image=image if uses_images else None,
        objects=objects if uses_images else (),
    )
    mention_notes = mentions.notes if mentions else ()
    notes = (*value.notes, *mention_notes, *_image_notes(image, value.objects is None, objects, recipe))
    return ParsedInput(text, words, example, mentions, notes, value.objects is not None)


def parse_example(example: Example, recipe: Recipe) -> ParsedInput:
    """Convert an example of prepared data: its words are joined by spaces, head and tail get character offsets.

    Args:
        example: Example.
        recipe: Recipe of the model.
    """
    text, words = join_tokens(example.words)
    mentions = None
    if example.head is not None and example.tail is not None:
        mentions = MentionPair(char_span(example.head, text, words), char_span(example.tail, text, words))
    notes = tuple(_image_notes(example.image, False, example.objects, recipe))
    if not recipe.uses_images:
        example = replace(example, image=None, objects=())
    return ParsedInput(text, words, example, mentions, notes, True)


def char_span(span: Span, text: str, words: Sequence[TextSpan]) -> TextSpan:
    """Return the characters of a span of words."""
    start, end = words[span.start].start, words[span.end - 1].end
    return TextSpan(text[start:end], start, end)


def _tokenize_input(text: str | Sequence[str]) -> tuple[str, tuple[TextSpan, ...]]:
    if isinstance(text, str):
        words = tuple(tokenize(text))
        if not words:
            raise DataError("text-blank") if text else DataError("text-empty")
        return _check_encodable(text), words
    if not isinstance(text, Sequence) or not all(isinstance(token, str) for token in text):
        raise DataError("text-invalid", found=text)
    return join_tokens(text)


def join_tokens(tokens: Sequence[str]) -> tuple[str, tuple[TextSpan, ...]]:
    """Join words by spaces.

    Returns:
        The text, and the words with character offsets.

    Raises:
        DataError: "word-blank" or "no-words".
    """
    stripped = [token.strip() for token in tokens]
    if not all(stripped):
        raise DataError("word-blank", number=stripped.index("") + 1, count=len(stripped))
    if not stripped:
        raise DataError("no-words")
    words, start = [], 0
    for token in stripped:
        words.append(TextSpan(token, start, start + len(token)))
        start += len(token) + 1
    return _check_encodable(" ".join(stripped)), tuple(words)


def _check_encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        before = text[: error.start][-20:]
        raise DataError("lone-surrogate", character=f"U+{ord(text[error.start]):X}", before=before) from None
    return text


def _locate_pair(text: str, words: Sequence[TextSpan], value: PredictionInput, recipe: Recipe) -> MentionPair | None:
    missing = [role for role in ("head", "tail") if getattr(value, role) is None]
    if recipe.task == "mner":
        if len(missing) < 2:
            raise InputError("pair-unexpected")
        return None
    if missing:
        raise InputError("pair-missing") if len(missing) == 2 else InputError("mention-missing", role=missing[0])
    return locate_mentions(text, words, _parse_mention("head", value.head), _parse_mention("tail", value.tail))


def _parse_mention(role: str, value: object) -> Mention:
    if isinstance(value, str):
        return value
    if isinstance(value, (tuple, list)) and len(value) == 2 and all(type(edge) is int for edge in value):
        return value[0], value[1]
    raise DataError("mention-invalid", role=role, found=value)


def _image_path(value: object) -> Path:
    if isinstance(value, (str, PathLike)):
        return Path(value)
    raise DataError("image-invalid", found=value)


def _crop_path(value: object) -> Path:
    if isinstance(value, (str, PathLike)):
        return Path(value)
    raise DataError("object-invalid", found=value)


def _parse_object(value: object, image: Path | None) -> VisualObject:
    if isinstance(value, Mapping):
        item = object_from_json(value, _crop_path)
    else:
        item = value if isinstance(value, VisualObject) else VisualObject(_crop_path(value))
    if item.image is None and (item.box is None or image is None):
        raise DataError("box-without-image")
    return item


def object_from_json(fields: Mapping[str, Any], resolve_image: Callable[[object], Path]) -> VisualObject:
    """Parse the JSON fields of an object.

    Args:
        fields: "image" (crop), "box", "phrase" and "score".
        resolve_image: Converts the name of the crop to a path.

    Raises:
        DataError: "object-record-invalid" or "box-invalid", or the error of `resolve_image`.
    """
    image, box, phrase, score = (fields.get(key) for key in ("image", "box", "phrase", "score"))
    if image is None and box is None:
        raise DataError("object-record-invalid", found=fields)
    return VisualObject(
        image=None if image is None else resolve_image(image),
        box=None if box is None else _parse_box(box),
        phrase=phrase if isinstance(phrase, str) else None,
        score=score if _is_number(score) else None,
    )


def _parse_box(value: Any) -> Box:  # noqa: ANN401 - a list, a Box, or an array of numbers
    edges = astuple(value) if isinstance(value, Box) else value
    if hasattr(edges, "tolist"):
        edges = edges.tolist()
    if isinstance(edges, (list, tuple)) and len(edges) == 4 and all(map(_is_number, edges)):
        left, top, right, bottom = edges
        if left < right and top < bottom:
            return Box(*(edge if isinstance(edge, int) else float(edge) for edge in edges))
    raise DataError("box-invalid", found=value)


def _is_number(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    return isinstance(value, Real) and not isinstance(value, bool) and bool(value < 1e9 and not value < -1e9)


def _image_notes(
    image: Path | None, may_detect: bool, objects: Sequence[VisualObject], recipe: Recipe
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
