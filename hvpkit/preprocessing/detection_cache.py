"""Resume cache of detection: an interrupted `hvp preprocess` continues where it stopped."""

from __future__ import annotations

import errno
import hashlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from hvpkit.config.recipe import ObjectsSpec
from hvpkit.records.codec import object_from_json, object_to_json
from hvpkit.types import VisualObject

TIMEOUT = 60.0  # seconds to wait for another process that writes


class DetectionCache:
    """Detections in an SQLite file next to the prepared folder, by request; a context manager.

    A killed process loses nothing; a damaged file is replaced.

    Args:
        folder: Folder of the prepared data.
        settings: Settings of detection, a part of each request.
    """

    def __init__(self, folder: Path, settings: ObjectsSpec) -> None:
        self.file, self._settings = folder.parent / f".{folder.name}-objects.sqlite3", settings.model_dump_json()

    def __enter__(self) -> DetectionCache:
        with self._os_errors():
            try:
                self._open()
            except sqlite3.OperationalError:  # such as a lock
                raise
            except sqlite3.DatabaseError:  # damaged
                self._database.close()
                self.clear()
                self._open()
        return self

    def _open(self) -> None:
        self._database = sqlite3.connect(self.file, TIMEOUT, isolation_level=None)
        self._database.execute("PRAGMA synchronous = OFF")  # flushing for each image would take longer than detection
        [[state]] = self._database.execute("PRAGMA quick_check(1)")
        if state != "ok":
            raise sqlite3.DatabaseError(state)
        self._database.execute("CREATE TABLE IF NOT EXISTS detections (request TEXT PRIMARY KEY, objects TEXT)")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        is_empty = self._database.execute("SELECT 1 FROM detections").fetchone() is None
        self._database.close()
        if kind is not None and is_empty:
            self.clear()

    def get(self, key: str) -> tuple[VisualObject, ...] | None:
        """Return the detections of a key of `request_key`; None if there are none yet."""
        with self._os_errors():
            query = "SELECT objects FROM detections WHERE request = ?"
            row = self._database.execute(query, [self._settings + key]).fetchone()
        if row is None:
            return None
        return tuple(object_from_json(record, None) for record in json.loads(row[0]))

    def put(self, key: str, detections: Sequence[VisualObject]) -> None:
        """Store the detections of a key of `request_key`.

        Raises:
            OSError: The disk is full, or the file cannot be written.
        """
        objects = json.dumps([object_to_json(item, None) for item in detections])
        with self._os_errors():
            self._database.execute("INSERT OR REPLACE INTO detections VALUES (?, ?)", [self._settings + key, objects])

    @contextmanager
    def _os_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = errno.ENOSPC if "full" in str(error) else errno.EIO
            raise OSError(code, str(error), str(self.file)) from error

    def clear(self) -> None:
        """Delete the file; the cache is closed."""
        for suffix in ("", "-journal"):
            self.file.with_name(self.file.name + suffix).unlink(missing_ok=True)


def request_key(image: Path, phrases: Sequence[str]) -> str:
    """Compute the cache key of an image's bytes and the phrases.

    Raises:
        OSError: The image cannot be read.
    """
    digest = hashlib.sha256(image.read_bytes())
    digest.update(json.dumps(list(phrases)).encode())
    return digest.hexdigest()[:32]
