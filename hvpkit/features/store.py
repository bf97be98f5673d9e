"""Features on disk: float16, in memory-mapped shards, by key; several processes may read and write at once (no torch).

A shard is two files: `NNNN.keys`, a record of 36 bytes a row (the key, and a checksum of key and row), and `NNNN.rows`, the rows.
A row is written before its key, under a lock, so that a process killed at any moment leaves nothing half done that anybody would read: what
has no key is written over. A row whose checksum does not fit is as good as not there, and is written anew in its place.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

KEY_BYTES = 32
SHARD_BYTES = 2**29
RECORD = np.dtype([("key", "u1", KEY_BYTES), ("check", "<u4")])
HIGHEST = 2.0**15  # below the largest float16
Level = NDArray[np.float32]


@dataclass(frozen=True)
class FeatureLayout:
    """What a row holds: C levels of `channels[i]` x `cells[i]` float16 numbers, and a power of two for each that they are multiplied by."""

    channels: tuple[int, ...]
    cells: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype[np.void]:
        """Give the row as NumPy reads it."""
        sizes = zip(self.channels, self.cells, strict=True)
        return np.dtype([("scales", "<f4", len(self.channels)), *((f"level{i}", "<f2", size) for i, size in enumerate(sizes))])


class FeatureStore:
    """The features in a folder, by keys of 32 bytes."""

    def __init__(self, folder: Path, shape: FeatureLayout) -> None:
        self.folder, self.shape = folder, shape
        folder.mkdir(parents=True, exist_ok=True)
        self._shards: list[_Shard] = []
        self._lock = FileLock(folder / "lock")
        self.refresh()

    def __reduce__(self) -> tuple[type[FeatureStore], tuple[Path, FeatureLayout]]:
        return FeatureStore, (self.folder, self.shape)  # a process that it is sent to maps the files itself

    def __len__(self) -> int:
        return sum(shard.count for shard in self._shards)

    def refresh(self) -> None:
        """See what other processes have written, or removed, by now."""
        self._shards = list(takewhile(lambda shard: shard.begun, self._shards))
        while (following := _Shard(self.folder, len(self._shards), self.shape)).begun:
            self._shards.append(following)
        for shard in self._shards:
            shard.refresh()

    def read(self, key: bytes) -> tuple[Level, ...] | None:
        """Give the C levels [C_i, P] of a key; None when they are not there or damaged."""
        kept = self.read_many([key])
        return None if kept is None else tuple(level[0].astype(np.float32) * scale for level, scale in zip(*kept, strict=True))

    def read_many(self, keys: Sequence[bytes]) -> tuple[list[NDArray[np.float16]], NDArray[np.float32]] | None:
        """Give the C levels [K, C_i, P] of K keys as they are kept, and what they are to be multiplied by, [C, K].

        None when one of them is not there or damaged.
        """
        found = [self._place(key) for key in keys]
        places = [place for place in found if place is not None]
        if len(places) < len(found):
            return None
        rows = np.empty(len(keys), self.shape.dtype)
        for shard in {shard for shard, _ in places}:
            own = [i for i, (other, _) in enumerate(places) if other is shard]
            rows[own] = shard.rows([places[i][1] for i in own])
        return [rows[f"level{i}"] for i in range(len(self.shape.channels))], rows["scales"].T.copy()

    def _place(self, key: bytes) -> tuple[_Shard, int] | None:
        """Find a sound row of a key."""
        for shard in self._shards:
            row = shard.sound_row(key)
            if row is not None:
                return shard, row
        return None

    def contains(self, key: bytes) -> bool:
        """Tell whether there is a sound row of a key."""
        return self._place(key) is not None

    def is_corrupt(self, key: bytes) -> bool:
        """Tell whether a key has rows and none of them is sound."""
        return not self.contains(key) and any(True for _ in self._places(key))

    def write_many(self, features: Mapping[bytes, Sequence[Level]]) -> None:
        """Put in what is missing or damaged; raises OSError when the disk is full or the folder cannot be written."""
        with self._lock:
            self.refresh()
            new: dict[bytes, bytes] = {}
            for key, levels in features.items():
                if self.contains(key):
                    continue
                place = next(self._places(key), None)
                if place is None:
                    new[key] = _pack(levels, self.shape)
                else:
                    place[0].write(place[1], {key: _pack(levels, self.shape)})
            if new:
                shard = self._unfilled()
                shard.write(shard.count, new)

    def clear(self) -> None:
        """Remove everything."""
        with self._lock:
            for shard in self._shards:
                shard.remove()
            self._shards = []

    def _places(self, key: bytes) -> Iterator[tuple[_Shard, int]]:
        return ((shard, row) for shard in self._shards for row in shard.find(key))

    def _unfilled(self) -> _Shard:
        if not self._shards or self._shards[-1].full:
            self._shards.append(_Shard(self.folder, len(self._shards), self.shape))
        return self._shards[-1]


class _Shard:
    """Up to `SHARD_BYTES` of rows."""

    def __init__(self, folder: Path, number: int, shape: FeatureLayout) -> None:
        self._keys, self._rows = _files(folder, number)
        self._dtype = shape.dtype
        self._seen: tuple[int, int, int] | None = None
        self._forget()

    def _forget(self) -> None:
        self._records: NDArray[np.void] = np.empty(0, RECORD)
        self._mapped: NDArray[np.void] = np.empty(0, self._dtype)
        self._order, self._sorted = np.empty(0, np.intp), np.empty(0, np.uint64)
        self._sound: dict[bytes, int] = {}

    @property
    def begun(self) -> bool:
        """Tell whether it is on disk."""
        return self._keys.exists()

    @property
    def count(self) -> int:
        """Say how many rows there are."""
        return len(self._records)

    @property
    def full(self) -> bool:
        """Say whether further rows belong into another shard."""
        return self.count * self._dtype.itemsize >= SHARD_BYTES

    def refresh(self) -> None:
        """Read the records again if their file has changed."""
        found = self._keys.stat() if self.begun else None
        stamp = None if found is None else (found.st_ino, found.st_size, found.st_mtime_ns)
        if stamp == self._seen:
            return
        self._seen = stamp
        self._forget()
        if found is not None:
            self._records = np.fromfile(self._keys, RECORD, found.st_size // RECORD.itemsize)
            beginnings = np.ascontiguousarray(self._records["key"][:, :8]).view(np.uint64).ravel()
            self._order = np.argsort(beginnings, kind="stable")
            self._sorted = beginnings[self._order]

    def find(self, key: bytes) -> Iterator[int]:
        """Go through the rows of a key."""
        beginning = np.frombuffer(key, np.uint64, 1)[0]
        for place in range(int(np.searchsorted(self._sorted, beginning)), self.count):
            if self._sorted[place] != beginning:
                return
            row = int(self._order[place])
            if self._records[row]["key"].tobytes() == key:
                yield row

    def sound_row(self, key: bytes) -> int | None:
        """Find a row of a key that has the checksum that it should have; it is compared once."""
        if key not in self._sound:
            for row in self.find(key):
                self._map(row)
                if row < len(self._mapped) and _check(key, self._mapped[row].tobytes()) == self._records[row]["check"]:
                    self._sound[key] = row
        return self._sound.get(key)

    def rows(self, rows: Sequence[int]) -> NDArray[np.void]:
        """Copy rows that are there."""
        self._map(max(rows))
        copied: NDArray[np.void] = self._mapped[rows]
        return copied

    def _map(self, row: int) -> None:
        """Map the rows again if `row` is not among those that are mapped."""
        if row < len(self._mapped):
            return
        there = self._rows.stat().st_size // self._dtype.itemsize if self._rows.exists() else 0
        if there:
            self._mapped = np.memmap(self._rows, self._dtype, "r", shape=(there,))

    def write(self, row: int, contents: Mapping[bytes, bytes]) -> None:
        """Write rows, by key, from row number `row` on."""
        records = np.zeros(len(contents), RECORD)
        records["key"] = [np.frombuffer(key, np.uint8) for key in contents]
        records["check"] = [_check(key, content) for key, content in contents.items()]
        _write_at(self._rows, row * self._dtype.itemsize, b"".join(contents.values()))
        _write_at(self._keys, row * RECORD.itemsize, records.tobytes())
        self.refresh()

    def remove(self) -> None:
        """Remove both files."""
        self._keys.unlink(missing_ok=True)
        self._rows.unlink(missing_ok=True)


def _files(folder: Path, number: int) -> tuple[Path, Path]:
    return folder / f"{number:04}.keys", folder / f"{number:04}.rows"


def _write_at(file: Path, offset: int, content: bytes) -> None:
    file.touch()
    with file.open("r+b") as stream:
        stream.seek(offset)
        stream.write(content)


def _check(key: bytes, content: bytes) -> int:
    return zlib.crc32(content, zlib.crc32(key))


# ------------------------------------------------------------------------------------------------------------------- float16
def _pack(levels: Sequence[Level], shape: FeatureLayout) -> bytes:
    """Scale each level by a power of two, so that neither its largest nor its small numbers are lost to float16."""
    row = np.zeros(1, shape.dtype)
    for i, level in enumerate(levels):
        scale = _scale(level)
        row["scales"][0, i] = scale
        row[f"level{i}"] = level / scale
    return row.tobytes()


def _scale(level: Level) -> np.float32:
    largest = float(np.abs(level).max(initial=0.0))
    if not 0 < largest < np.inf:
        return np.float32(1)
    return np.float32(2.0 ** np.clip(np.ceil(np.log2(largest / HIGHEST)), -120, 120))
