"""Resolve the images and objects of user records to files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import astuple
from pathlib import Path
from typing import Any

from hvpkit.errors import ImageError
from hvpkit.images.decode import image_size
from hvpkit.messages import Message
from hvpkit.records.image_roots import ImageRoots
from hvpkit.records.issues import ReadingContext
from hvpkit.types import Box, Split, VisualObject

MissingFiles = dict[Split, dict[str, str]]  # name -> location of its first use


class ImagePathResolver:
    """Resolve the image and object files of records, and collect those that are missing or refused.

    Args:
        roots: Folders in which the files must be.
    """

    def __init__(self, roots: ImageRoots) -> None:
        self.roots = roots
        self._missing: MissingFiles = {}
        self._missing_crops: MissingFiles = {}
        self._refused: dict[str, dict[str, Message]] = {}

    @property
    def refused(self) -> dict[str, tuple[int, Message]]:
        """Return the images that were named but may not or cannot be used: number and first message by code."""
        return {code: (len(names), next(iter(names.values()))) for code, names in self._refused.items()}

    @property
    def missing(self) -> dict[Split, tuple[str, ...]]:
        """Return the missing images of each split, with the location of their first use."""
        return {split: tuple(locations.values()) for split, locations in self._missing.items()}

    @property
    def missing_crops(self) -> dict[Split, tuple[str, ...]]:
        """Return the missing crops of each split, with the location of their first use."""
        return {split: tuple(locations.values()) for split, locations in self._missing_crops.items()}

    def resolve(
        self, record: Mapping[str, Any], source: ReadingContext, line: int
    ) -> tuple[Path | None, tuple[VisualObject, ...]]:
        """Return the image and the objects of a record, without those that are missing or invalid.

        Args:
            record: Record with "image" and "objects".
            source: Context that receives issues.
            line: Line of the record, from 1.
        """
        image = self._resolve_file("image", record.get("image"), source, line, self._missing)
        object_records = record.get("objects") or ()
        if not isinstance(object_records, (list, tuple)):
            source.warn(Message("objects-not-list", found=object_records), line)
            object_records = ()
        objects = (self._parse_object(item, image, source, line) for item in object_records)
        return image, tuple(item for item in objects if item)

    def _parse_object(self, item: object, image: Path | None, source: ReadingContext, line: int) -> VisualObject | None:
        fields = {"image": item} if isinstance(item, str) else item
        if not isinstance(fields, Mapping) or not {"image", "box"} & set(fields):
            source.warn(Message("object-record-invalid", found=item), line)
            return None
        box = _parse_box(fields.get("box"))
        crop = self._resolve_file("objects", fields.get("image"), source, line, self._missing_crops)
        if fields.get("box") is not None and box is None:
            source.warn(Message("box-invalid", found=fields["box"]), line)
            return None
        if crop is None and (box is None or image is None):
            return None  # counted with the missing crops or images
        if box is not None and image is not None and (issue := _check_box(box, image)):
            source.warn(issue, line)
            return None
        phrase, score = fields.get("phrase"), _parse_number(fields.get("score"))
        return VisualObject(crop, box, phrase if isinstance(phrase, str) else None, score)

    def _resolve_file(
        self, key: str, name: object, source: ReadingContext, line: int, missing: MissingFiles
    ) -> Path | None:
        if name is None or name == "":
            return None
        found: Path | Message | None = Message("image-not-file-name", key=key, found=name)
        if isinstance(name, str):
            found = self.roots.find(name, source.split)
        if isinstance(found, Message):
            source.warn(found, line)
            if missing is self._missing:
                self._refused.setdefault(found.code, {}).setdefault(str(name), found)
            return None
        if found is None:
            missing.setdefault(source.split, {}).setdefault(str(name), f"{source.file}:{line}: {name}")
        return found


def _check_box(box: Box, image: Path) -> Message | None:
    """Return an issue if a box cannot be cropped; unreadable images are reported by other checks."""
    try:
        width, height = image_size(image)
    except ImageError:
        return None
    left, top, right, bottom = astuple(box)
    if left >= width or top >= height or right <= 0 or bottom <= 0:
        return Message("box-outside", box=(left, top, right, bottom), width=width, height=height)
    if right <= 1 and bottom <= 1 and not all(edge.is_integer() for edge in (left, top, right, bottom)):
        return Message("box-relative", box=(left, top, right, bottom), width=width, height=height)
    return None


def _parse_box(value: object) -> Box | None:
    if not isinstance(value, (list, tuple)) or len(value) != 4:
        return None
    edges = [number for edge in value if (number := _parse_number(edge)) is not None]
    return Box(*edges) if len(edges) == 4 and edges[0] < edges[2] and edges[1] < edges[3] else None


def _parse_number(value: object) -> float | None:
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
        return None
    except OverflowError:  # an integer with hundreds of digits
        return None
