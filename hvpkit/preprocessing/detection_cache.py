"""What was found so far, on disk, so that a run that was killed goes on where it stopped (no torch)."""

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
    """One JSON line a finished image beside the prepared folder: the key of what was asked, and the boxes; removed by `finish`.

    Lines that were cut off are passed over; two runs may write to one journal. Of each line only its place is held in memory.
    """

    def __init__(self, folder: Path, settings: ObjectsSpec) -> None:
        identity = hashlib.sha256(settings.model_dump_json().encode()).hexdigest()[:16]
        self._siblings = (folder.parent, f".{folder.name}-objects-*.jsonl")
        self.file = folder.parent / f".{folder.name}-objects-{identity}.jsonl"

    def __enter__(self) -> DetectionCache:
        self._stream = self.file.open("a+b", buffering=0)
        self._lines = self.file.open("rb")
        self._places = dict(self._read())
        self._stream.write(b"\n" if self.file.stat().st_size else b"")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stream.close()
        self._lines.close()
        if kind is not None and not self._places:
            self.file.unlink(missing_ok=True)

    def get(self, key: str) -> tuple[VisualObject, ...] | None:
        """Give what was found for a key, None when it was not looked for yet."""
        place = self._places.get(hash(key))
        if place is None:
            return None
        self._lines.seek(place)
        found = _entry(self._lines.readline())
        return found[1] if found and found[0] == key else None

    def put(self, key: str, found: Sequence[VisualObject]) -> None:
        """Remember what was found for a key."""
        line = json.dumps([key, [_record(item) for item in found]]).encode() + b"\n"
        self._stream.write(line)
        self._places[hash(key)] = self._stream.tell() - len(line)

    def _read(self) -> Iterator[tuple[int, int]]:
        place = 0
        for line in self._lines:
            if found := _entry(line):
                yield hash(found[0]), place
            place += len(line)

    def clear(self) -> None:
        """Take this journal away, and those that other settings left here."""
        folder, pattern = self._siblings
        for file in folder.glob(pattern):
            with suppress(OSError):  # another run has taken it away
                file.unlink()


def request_key(image: Path, phrases: Sequence[str]) -> str:
    """Name what is asked: the image's bytes and the phrases; raises OSError when the image cannot be read."""
    digest = hashlib.sha256()
    with image.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    digest.update(json.dumps(list(phrases)).encode())
    return digest.hexdigest()[:32]


def _record(item: VisualObject) -> list[Any]:
    box = item.box
    return [None if box is None else astuple(box), item.phrase, item.score]


def _entry(line: bytes) -> tuple[str, tuple[VisualObject, ...]] | None:
    """Read a line; None where it is blank or was cut off."""
    try:
        key, records = json.loads(line)
        return str(key), tuple(VisualObject(box=Box(*box), phrase=phrase, score=score) for box, phrase, score in records)
    except (ValueError, TypeError):
        return None
