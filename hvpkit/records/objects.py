"""Parse the objects of a record; an object that cannot be used is dropped without the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace
from functools import cached_property

from hvpkit.errors import ImageError, InputError
from hvpkit.images.decode import image_size
from hvpkit.messages import Message
from hvpkit.records.codec import object_from_json
from hvpkit.records.image_paths import IMAGE_TYPES, ImageRoot, resolve_crop
from hvpkit.records.issues import Issue, RecordError
from hvpkit.types import Box, ImageSource, VisualObject


def parse_objects(
    value: object, image: ImageSource | None, root: ImageRoot | None, issues: list[Issue]
) -> tuple[VisualObject, ...] | None:
    """Parse `objects`: crops, or boxes of the image; sorted by score if every object has one.

    A box that sticks out of the image is clipped. Boxes of an image that cannot be opened are not checked.

    Args:
        value: Value of the record.
        image: Image of the record.
        root: Folder that the paths of crops are relative to; None for a record of a program.
        issues: Receives the issues, one for each object that is dropped.

    Returns:
        The objects, best first; None if the record does not list objects.
    """
    if value is None:
        return None
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
        issues.append(Issue(Message("objects-not-list", found=value), "dropped"))
        return None
    parser = _ObjectParser(image, root, issues)
    objects = [parsed for item in value if (parsed := parser.parse(item)) is not None]
    if all(item.score is not None for item in objects):
        objects.sort(key=lambda item: -(item.score or 0.0))
    return tuple(objects)


class _ObjectParser:
    """Parse the objects of one image."""

    def __init__(self, image: ImageSource | None, root: ImageRoot | None, issues: list[Issue]) -> None:
        self._image, self._root, self._issues = image, root, issues

    @cached_property
    def _size(self) -> tuple[int, int] | None:
        """Width and height of the image in pixels; None if it cannot be opened, which is reported where it is read."""
        try:
            return None if self._image is None else image_size(self._image)
        except ImageError:
            return None

    def parse(self, item: object) -> VisualObject | None:
        """Parse an object; add an issue and return None if it cannot be used."""
        try:
            fields = _fields(item)
            parsed = object_from_json(fields, self._crop(fields))
            if parsed.image is None and parsed.box is None:
                return None  # the crop is the issue
            if parsed.image is None and self._image is None:
                raise RecordError("box-without-image")
            if parsed.box is None or self._size is None:
                return parsed
            return replace(parsed, box=fit_box(parsed.box, self._size, self._issues))
        except RecordError as error:
            self._issues.append(Issue(error.message, "dropped"))
            return None

    def _crop(self, fields: Mapping[str, object]) -> ImageSource | None:
        """Return the crop of an object; add an issue if it cannot be used."""
        try:
            return resolve_crop(fields["image"], self._root) if "image" in fields else None
        except InputError as error:
            self._issues.append(Issue(error.message, "dropped"))
            return None


def _fields(item: object) -> dict[str, object]:
    """Return the fields of an object, without those of null or "".

    Raises:
        RecordError: "object-record-invalid".
    """
    if isinstance(item, VisualObject):
        fields: dict[str, object] = {name: getattr(item, name) for name in ("image", "box", "phrase", "score")}
    elif isinstance(item, Mapping):
        fields = dict(item)
    else:
        fields = {"image": item if isinstance(item, IMAGE_TYPES) else None}
    fields = {key: value for key, value in fields.items() if value is not None and not _is_empty(value)}
    if not {"image", "box"} & fields.keys():
        raise RecordError("object-record-invalid", found=item)
    return fields


def _is_empty(value: object) -> bool:
    return isinstance(value, str) and not value


def fit_box(box: Box, size: tuple[int, int], issues: list[Issue]) -> Box:
    """Clip a box to its image.

    Args:
        box: Box in pixels.
        size: Width and height of the image in pixels.
        issues: Receives "box-clipped" if an edge moves by a pixel or more.

    Raises:
        RecordError: "box-outside" or "box-relative".
    """
    (width, height), edges = size, astuple(box)
    if box.left >= width or box.top >= height or box.right <= 0 or box.bottom <= 0:
        raise RecordError("box-outside", box=edges, width=width, height=height)
    if max(edges) <= 1 and (width, height) != (1, 1):
        raise RecordError("box-relative", box=edges, width=width, height=height)
    clipped = Box(max(box.left, 0.0), max(box.top, 0.0), min(box.right, float(width)), min(box.bottom, float(height)))
    if any(abs(before - after) >= 1 for before, after in zip(edges, astuple(clipped), strict=True)):
        issues.append(Issue(Message("box-clipped", box=edges, width=width, height=height), "repaired"))
    return clipped
