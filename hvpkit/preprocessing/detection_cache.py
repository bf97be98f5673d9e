"""Resume cache of detection: an interrupted `hvp preprocess` continues where it stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path
from types import TracebackType
from typing import Any

from hvpkit.config.recipe import ObjectsSpec
from hvpkit.types import Box, VisualObject


class DetectionCache:
    """Detections on disk, next to the prepared folder, one JSON line (key, boxes) for each image; a context manager.

    Truncated lines are ignored, and several processes may write to one file. Only the file offset of each line is
    kept in memory.

    Args:
        folder: Folder of the prepared data.
        settings: Settings of detection; other settings use another file.
    """

    def __init__(self, folder: Path, settings: ObjectsSpec) -> None:
        digest = hashlib.sha256(settings.model_dump_json().encode()).hexdigest()[:16]
        self._siblings = (folder.parent, f".{folder.name}-objects-*.jsonl")
        self.file = folder.parent / f".{folder.name}-objects-{digest}.jsonl"

    def __enter__(self) -> DetectionCache:
        self._stream = self.file.open("a+b", buffering=0)
        self._lines = self.file.open("rb")
        self._offsets = dict(self._read_offsets())
        self._stream.write(b"\n" if self.file.stat().st_size else b"")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        self._lines.close()
        if kind is not None and not self._offsets:
            self.file.unlink(missing_ok=True)

    def get(self, key: str) -> tuple[VisualObject, ...] | None:
        """Return the detections of a key; None if there are none yet."""
        offset = self._offsets.get(hash(key))
        if offset is None:
            return None
        self._lines.seek(offset)
        entry = _parse_line(self._lines.readline())
        return entry[1] if entry and entry[0] == key else None

    def put(self, key: str, detections: Sequence[VisualObject]) -> None:
        """Store the detections of a key."""
        line = json.dumps([key, [_to_json(item) for item in detections]]).encode() + b"\n"
        self._stream.write(line)
        self._offsets[hash(key)] = self._stream.tell() - len(line)

    def _read_offsets(self) -> Iterator[tuple[int, int]]:
        offset = 0
        for line in self._lines:
            if entry := _parse_line(line):
                yield hash(entry[0]), offset
            offset += len(line)

    def clear(self) -> None:
        """Delete the cache files of the folder, those of other settings included."""
        folder, pattern = self._siblings
        for file in folder.glob(pattern):
            with suppress(OSError):  # another process has deleted it
                file.unlink()


def request_key(image: Path, phrases: Sequence[str]) -> str:
    """Compute the cache key of an image's bytes and the phrases.

    Raises:
        OSError: The image cannot be read.
    """
    digest = hashlib.sha256()
    with image.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    digest.update(json.dumps(list(phrases)).encode())
    return digest.hexdigest()[:32]


def _to_json(item: VisualObject) -> list[Any]:
    box = item.box
    return [None if box is None else astuple(box), item.phrase, item.score]


def _parse_line(line: bytes) -> tuple[str, tuple[VisualObject, ...]] | None:
    """Parse a line; return None if it is blank or truncated."""
    try:
        key, records = json.loads(line)
        return str(key), tuple(
            VisualObject(box=Box(*box), phrase=phrase, score=score) for box, phrase, score in records
        )
    except (ValueError, TypeError):
        return None
