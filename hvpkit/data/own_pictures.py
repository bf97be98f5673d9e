"""The pictures that records of a user's own data name: files beside the data, never outside its folder (no torch)."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hvpkit.data.problems import Source
from hvpkit.types import Box, Split, VisualObject

OUTSIDE = "picture path that leaves the data's folder, not used"
BAD_OBJECT = "object that cannot be used, left out"


class OwnPictures:
    """Looks up pictures and objects, and remembers what is missing."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._real = folder, Path(os.path.realpath(folder))
        self._missing: dict[Split, dict[str, None]] = {}
        self._missing_crops: dict[Split, dict[str, None]] = {}

    @property
    def missing(self) -> dict[Split, tuple[str, ...]]:
        """Give, by split, the pictures that were named and are not there."""
        return {split: tuple(names) for split, names in self._missing.items()}

    @property
    def missing_crops(self) -> dict[Split, tuple[str, ...]]:
        """Give, by split, the crops that were named and are not there."""
        return {split: tuple(names) for split, names in self._missing_crops.items()}

    def of(self, record: Mapping[str, Any], source: Source, line: int) -> tuple[Path | None, tuple[VisualObject, ...]]:
        """Give a record's picture and its objects, as far as they are there."""
        image = self._file(record.get("image"), source, line, self._missing)
        raw = record.get("objects") or ()
        if not isinstance(raw, (list, tuple)):
            source.note(BAD_OBJECT, line, f"objects are no list: {raw!r:.60}")
            raw = ()
        objects = (self._object(item, image, source, line) for item in raw)
        return image, tuple(item for item in objects if item)

    def _object(self, item: object, image: Path | None, source: Source, line: int) -> VisualObject | None:
        fields = {"image": item} if isinstance(item, str) else item
        if not isinstance(fields, Mapping) or not {"image", "box"} & set(fields):
            source.note(BAD_OBJECT, line, f'expected a file name or {{"box": [x0, y0, x1, y1]}}, got {item!r:.60}')
            return None
        box = _box(fields.get("box"))
        crop = self._file(fields.get("image"), source, line, self._missing_crops)
        if fields.get("box") is not None and box is None:
            source.note(BAD_OBJECT, line, f"a box is [x0, y0, x1, y1] with x0 < x1 and y0 < y1, got {fields['box']!r:.60}")
            return None
        if crop is None and (box is None or image is None):
            return None  # counted with the missing crops or pictures
        phrase, score = fields.get("phrase"), _number(fields.get("score"))
        return VisualObject(crop, box, phrase if isinstance(phrase, str) else None, score)

    def _file(self, name: object, source: Source, line: int, missing: dict[Split, dict[str, None]]) -> Path | None:
        if name is None or name == "":
            return None
        path = Path(os.path.normpath(self._folder / str(name)))
        if self._is_inside(path):
            if path.is_file():
                return path
        else:
            source.note(OUTSIDE, line, f"{name!r}")
        missing.setdefault(source.split, {})[str(name)] = None
        return None

    def _is_inside(self, path: Path) -> bool:
        try:
            return path.is_relative_to(self._folder) and Path(os.path.realpath(path)).is_relative_to(self._real)
        except (OSError, ValueError):  # a name that no file can have
            return False


def _box(value: object) -> Box | None:
    if not isinstance(value, (list, tuple)) or len(value) != 4:
        return None
    edges = [number for edge in value if (number := _number(edge)) is not None]
    return Box(*edges) if len(edges) == 4 and edges[0] < edges[2] and edges[1] < edges[3] else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) else None
