"""What a user asks to be predicted, and how it becomes an example whose words know their characters (no torch)."""

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
    """One text, or its words (read with a blank between them), and what belongs to it.

    `image` is a file or an opened image; `objects` are crops (files, opened images), `VisualObject`s or mappings of their fields, such
    as {"box": [x0, y0, x1, y1]} in pixels, best first, None where nobody has looked for any; `head` and `tail` (MRE) are words of the text
    or characters [start, end); `remarks` go on to the prediction.
    """

    text: str | Sequence[str]
    image: str | PathLike[str] | Image | None = None
    head: Mention | None = None
    tail: Mention | None = None
    objects: Sequence[str | PathLike[str] | Image | VisualObject | Mapping[str, Any]] | None = None
    id: str | int | None = None
    remarks: tuple[Message, ...] = ()


@dataclass(frozen=True)
class ParsedInput:
    """An input as a model reads it: the text, its words with their characters, the example made of them, and remarks.

    `objects_given`: somebody said which objects the image has, if any; else they may be looked for (hvpkit/inference/attach_objects.py).
    """

    text: str
    words: tuple[TextSpan, ...]
    example: Example
    mentions: MentionPair | None
    remarks: tuple[Message, ...]
    objects_given: bool = False


def to_prediction_input(given: PredictionInput | Mapping[str, Any] | Sequence[str]) -> PredictionInput:
    """Take a bare text or its words, or a mapping with the fields of `PredictionInput`, for one; raises InputError for anything else."""
    if isinstance(given, PredictionInput):
        return given
    try:
        return PredictionInput(given) if isinstance(given, Sequence) else PredictionInput(**given)
    except TypeError as error:
        raise InputError("input-invalid", names=list(PredictionInput.__dataclass_fields__), found=given, reason=str(error)) from None


def parse_input(given: PredictionInput, recipe: Recipe) -> ParsedInput:
    """Find words and mentions and check that the model of this recipe can use them; opened images must be files by now.

    Raises DataError for a blank text or mentions that cannot be found, InputError for a head and tail that the task needs or lacks.
    """
    text, words = _words(given.text)
    mentions = _mentions(text, words, given, recipe)
    if mentions is not None:
        words = split_words_at(words, (mentions.head, mentions.tail))
    image = None if given.image is None else _image(given.image)
    objects = tuple(_object(item, image) for item in given.objects or ())
    sees = recipe.uses_images
    example = Example(
        id="1" if given.id is None else str(given.id),
        words=tuple(word.text for word in words),
        head=None if mentions is None else covered_words(mentions.head, words),
        tail=None if mentions is None else covered_words(mentions.tail, words),
        image=image if sees else None,
        objects=objects if sees else (),
    )
    remarks = (*given.remarks, *(mentions.remarks if mentions else ()), *_image_remarks(image, given.objects is None, objects, recipe))
    return ParsedInput(text, words, example, mentions, remarks, given.objects is not None)


def parse_example(example: Example, recipe: Recipe) -> ParsedInput:
    """Read an example of prepared data: its words with a blank between them, head and tail in their characters."""
    text, words = join_tokens(example.words)
    mentions = None
    if example.head is not None and example.tail is not None:
        mentions = MentionPair(char_span(example.head, text, words), char_span(example.tail, text, words))
    remarks = _image_remarks(example.image, False, example.objects, recipe)
    sees = recipe.uses_images
    return ParsedInput(text, words, example if sees else replace(example, image=None, objects=()), mentions, tuple(remarks), True)


def char_span(span: Span, text: str, words: Sequence[TextSpan]) -> TextSpan:
    """Give the characters of words [start, end)."""
    start, end = words[span.start].start, words[span.end - 1].end
    return TextSpan(text[start:end], start, end)


# ------------------------------------------------------------------------------------------------------------------- text
def _words(given: str | Sequence[str]) -> tuple[str, tuple[TextSpan, ...]]:
    if isinstance(given, str):
        words = tuple(tokenize(given))
        if not words:
            raise DataError("text-blank") if given else DataError("text-empty")
        return _encodable(given), words
    if not isinstance(given, Sequence) or not all(isinstance(token, str) for token in given):
        raise DataError("text-invalid", found=given)
    return join_tokens(given)


def join_tokens(tokens: Sequence[str]) -> tuple[str, tuple[TextSpan, ...]]:
    """Join words with a blank between them: the text, and where each word stands in it; raises DataError when one is blank."""
    stripped = [token.strip() for token in tokens]
    if not all(stripped):
        raise DataError("word-blank", number=stripped.index("") + 1, count=len(stripped))
    if not stripped:
        raise DataError("no-words")
    words, start = [], 0
    for token in stripped:
        words.append(TextSpan(token, start, start + len(token)))
        start += len(token) + 1
    return _encodable(" ".join(stripped)), tuple(words)


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        before = text[: error.start][-20:]
        raise DataError("lone-surrogate", character=f"U+{ord(text[error.start]):X}", before=before) from None
    return text


# --------------------------------------------------------------------------------------------------------------- mentions
def _mentions(text: str, words: Sequence[TextSpan], given: PredictionInput, recipe: Recipe) -> MentionPair | None:
    lacking = [name for name in ("head", "tail") if getattr(given, name) is None]
    if recipe.task == "mner":
        if len(lacking) < 2:
            raise InputError("pair-unexpected")
        return None
    if lacking:
        raise InputError("pair-missing") if len(lacking) == 2 else InputError("mention-missing", role=lacking[0])
    return locate_mentions(text, words, _mention("head", given.head), _mention("tail", given.tail))


def _mention(role: str, given: object) -> Mention:
    if isinstance(given, str):
        return given
    if isinstance(given, (tuple, list)) and len(given) == 2 and all(type(edge) is int for edge in given):
        return given[0], given[1]
    raise DataError("mention-invalid", role=role, found=given)


# --------------------------------------------------------------------------------------------------------------- images
def _image(given: object) -> Path:
    if isinstance(given, (str, PathLike)):
        return Path(given)
    raise DataError("image-invalid", found=given)


def _crop(given: object) -> Path:
    if isinstance(given, (str, PathLike)):
        return Path(given)
    raise DataError("object-invalid", found=given)


def _object(given: object, image: Path | None) -> VisualObject:
    if isinstance(given, Mapping):
        found = object_from_json(given, _crop)
    else:
        found = given if isinstance(given, VisualObject) else VisualObject(_crop(given))
    if found.image is None and (found.box is None or image is None):
        raise DataError("box-without-image")
    return found


def object_from_json(fields: Mapping[str, Any], opened_image: Callable[[object], Path]) -> VisualObject:
    """Read an object's fields as JSON has them; `image` reads the name of its crop. Raises DataError."""
    image, box, phrase, score = (fields.get(key) for key in ("image", "box", "phrase", "score"))
    if image is None and box is None:
        raise DataError("object-record-invalid", found=fields)
    return VisualObject(
        image=None if image is None else opened_image(image),
        box=None if box is None else _box(box),
        phrase=phrase if isinstance(phrase, str) else None,
        score=score if _is_number(score) else None,
    )


def _box(given: Any) -> Box:  # noqa: ANN401 - a list, a Box, or an array of numbers
    edges = astuple(given) if isinstance(given, Box) else given.tolist() if hasattr(given, "tolist") else given
    if isinstance(edges, (list, tuple)) and len(edges) == 4 and all(map(_is_number, edges)) and edges[0] < edges[2] and edges[1] < edges[3]:
        return Box(*(edge if isinstance(edge, int) else float(edge) for edge in edges))
    raise DataError("box-invalid", found=given)


def _is_number(given: Any) -> bool:  # noqa: ANN401 - anything at all
    return isinstance(given, Real) and not isinstance(given, bool) and bool(given < 1e9 and not given < -1e9)


def _image_remarks(image: Path | None, open_to_finding: bool, objects: Sequence[VisualObject], recipe: Recipe) -> list[Message]:
    vision = recipe.vision
    if vision is None or recipe.data.text_only:
        return [Message("model-without-images")]
    remarks = []
    if image is None and not objects:
        remarks.append(Message("image-not-given"))
    elif not vision.full_image and not objects and not (open_to_finding and recipe.data.objects):
        remarks.append(Message("no-objects-to-read"))
    if objects and not vision.max_objects:
        remarks.append(Message("objects-not-read", count=len(objects)))
    elif len(objects) > vision.max_objects:
        remarks.append(Message("too-many-objects", count=len(objects), maximum=vision.max_objects))
    return remarks
