"""Files of detected objects in a prepared folder: objects.jsonl and the crops."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from PIL import Image

from hvpkit.config.recipe import ObjectsSpec
from hvpkit.images.decode import crop, open_image
from hvpkit.records.codec import box_to_json
from hvpkit.types import Box, Example, Split, VisualObject

OBJECTS, CROPS = "objects.jsonl", "crops"
MAX_ID_BYTES = 80  # of an example id in the file name of a crop


class DetectionFile:
    """Write objects as lines of objects.jsonl and as crops crops/SPLIT/EXAMPLE_crop_NUMBER.png, numbered from 0.

    Args:
        folder: Prepared folder.
        lines: Opened objects.jsonl.
        settings: Settings of detection.
        crops: Whether to write crops.
    """

    def __init__(self, folder: Path, lines: IO[str], settings: ObjectsSpec, crops: bool) -> None:
        self._folder, self._lines, self._settings, self._crops = folder, lines, settings, crops

    def write(self, example: Example, split: Split) -> None:
        """Write the objects of an example.

        Raises:
            ImageError: A crop cannot be cut from the image.
        """
        has_crops = self._crops and any(item.box for item in example.objects)
        image = open_image(example.image) if example.image and has_crops else None
        for number, item in enumerate(example.objects):
            name = f"{split}/{_file_name(example.id)}_crop_{number}.png"
            crop_file = self._crop(image, item.box, name) if image and item.box else None
            self._lines.write(json.dumps(self._record(example, split, item, crop_file), ensure_ascii=False) + "\n")

    def _record(self, example: Example, split: Split, item: VisualObject, crop_file: str | None) -> dict[str, object]:
        return {
            "example": example.id,
            "split": split,
            "image": example.image.name if example.image else None,
            "phrase": item.phrase,
            "box": box_to_json(item.box),
            "score": item.score,
            "crop": crop_file or (item.image.name if item.image else None),
            "detector": self._settings.detector.name,
            "version": self._settings.version,
        }

    def _crop(self, image: Image.Image, box: Box, name: str) -> str:
        file = self._folder / CROPS / name
        file.parent.mkdir(parents=True, exist_ok=True)
        crop(image, box).save(file)
        return f"{CROPS}/{name}"


@contextmanager
def open_detection_file(folder: Path, settings: ObjectsSpec, crops: bool) -> Iterator[DetectionFile]:
    """Open objects.jsonl for writing.

    Args:
        folder: Prepared folder.
        settings: Settings of detection.
        crops: Whether to write crops.
    """
    with (folder / OBJECTS).open("w", encoding="utf-8", newline="\n") as lines:
        yield DetectionFile(folder, lines, settings, crops)


def _file_name(name: str) -> str:
    """Convert an example id to a unique file name."""
    safe = re.sub(r"[^\w.-]|^\.", lambda match: f"%{ord(match[0]):x}", name)
    if len(safe.encode()) <= MAX_ID_BYTES:
        return safe
    return f"{safe.encode()[:MAX_ID_BYTES].decode(errors='ignore')}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
