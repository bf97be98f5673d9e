"""Feature store: float16 features on disk in memory-mapped shards, for concurrent readers and writers.

A shard is two files: `NNNN.rows` has the rows, `NNNN.keys` a record of 36 bytes for each row (key, checksum of key and
row). Rows are written under a lock, each before its key, so that an interrupted write is never read: the next write
overwrites rows without a key. A row with a wrong checksum counts as missing and is overwritten.
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
MAX_SHARD_BYTES = 2**29
RECORD_DTYPE = np.dtype([("key", "u1", KEY_BYTES), ("checksum", "<u4")])
MAX_SCALED_VALUE = 2.0**15  # below the maximum of float16
Level = NDArray[np.float32]


@dataclass(frozen=True)
class FeatureLayout:
    """Layout of a row: C float16 levels and a scale (a power of two) for each.

    Attributes:
        channels: Number of channels C_i of each level.
        cells: Number of pooled cells P of each level.
    """

    channels: tuple[int, ...]
    cells: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype[np.void]:
        """The structured dtype of a row."""
        sizes = zip(self.channels, self.cells, strict=True)
        return np.dtype(
            [("scales", "<f4", len(self.channels)), *((f"level{i}", "<f2", size) for i, size in enumerate(sizes))]
        )


class FeatureStore:
    """Store of image features in a folder, by keys of 32 bytes.

    Args:
        folder: Folder of the shards; created if it does not exist.
        layout: Layout of a row.
    """

    def __init__(self, folder: Path, layout: FeatureLayout) -> None:
        self.folder, self.layout = folder, layout
        folder.mkdir(parents=True, exist_ok=True)
        self._shards: list[_Shard] = []
        self._lock = FileLock(folder / "lock")
        self.refresh()

    def __reduce__(self) -> tuple[type[FeatureStore], tuple[Path, FeatureLayout]]:
        return FeatureStore, (
            self.folder,
            self.layout,
        )  # memory maps cannot be pickled; the other process opens the files

    def __len__(self) -> int:
        return sum(shard.count for shard in self._shards)

    def refresh(self) -> None:
        """Update the index with what other processes have written or removed."""
        self._shards = list(takewhile(lambda shard: shard.exists, self._shards))
        while (next_shard := _Shard(self.folder, len(self._shards), self.layout)).exists:
            self._shards.append(next_shard)
        for shard in self._shards:
            shard.refresh()

    def read(self, key: bytes) -> tuple[Level, ...] | None:
        """Return the C levels [C_i, P] of a key; None if they are missing or corrupt."""
        rows = self.read_many([key])
        if rows is None:
            return None
        return tuple(level[0].astype(np.float32) * scale for level, scale in zip(*rows, strict=True))

    def read_many(self, keys: Sequence[bytes]) -> tuple[list[NDArray[np.float16]], NDArray[np.float32]] | None:
        """Read the unscaled levels of several keys.

        Args:
            keys: K keys.

        Returns:
            The C levels [K, C_i, P] in float16 and their scales [C, K]; None if one of the keys is missing or corrupt.
        """
        locations = [location for location in map(self._find_valid, keys) if location is not None]
        if len(locations) < len(keys):
            return None
        rows = np.empty(len(keys), self.layout.dtype)
        for shard in {shard for shard, _ in locations}:
            indices = [i for i, (other, _) in enumerate(locations) if other is shard]
            rows[indices] = shard.rows([locations[i][1] for i in indices])
        return [rows[f"level{i}"] for i in range(len(self.layout.channels))], rows["scales"].T.copy()

    def _find_valid(self, key: bytes) -> tuple[_Shard, int] | None:
        """Find a row of a key that has the right checksum, as its shard and number."""
        for shard in self._shards:
            row = shard.find_valid(key)
            if row is not None:
                return shard, row
        return None

    def contains(self, key: bytes) -> bool:
        """Return whether a key has a row with the right checksum."""
        return self._find_valid(key) is not None

    def is_corrupt(self, key: bytes) -> bool:
        """Return whether a key has rows, but none with the right checksum."""
        return not self.contains(key) and any(True for _ in self._find_all(key))

    def write_many(self, features: Mapping[bytes, Sequence[Level]]) -> None:
        """Write the features of keys that are missing or corrupt.

        Args:
            features: C levels [C_i, P] by key.

        Raises:
            OSError: The disk is full, or the folder cannot be written.
        """
        with self._lock:
            self.refresh()
            new: dict[bytes, bytes] = {}
            for key, levels in features.items():
                if self.contains(key):
                    continue
                corrupt = next(self._find_all(key), None)
                if corrupt is None:
                    new[key] = _pack(levels, self.layout)
                else:
                    shard, row = corrupt
                    shard.write(row, {key: _pack(levels, self.layout)})
            if new:
                shard = self._last_shard()
                shard.write(shard.count, new)

    def clear(self) -> None:
        """Remove all features."""
        with self._lock:
            for shard in self._shards:
                shard.remove()
            self._shards = []

    def _find_all(self, key: bytes) -> Iterator[tuple[_Shard, int]]:
        return ((shard, row) for shard in self._shards for row in shard.find_all(key))

    def _last_shard(self) -> _Shard:
        """Return the last shard; begin a new one if it is full."""
        if not self._shards or self._shards[-1].is_full:
            self._shards.append(_Shard(self.folder, len(self._shards), self.layout))
        return self._shards[-1]


class _Shard:
    """Up to `MAX_SHARD_BYTES` of rows."""

    def __init__(self, folder: Path, number: int, layout: FeatureLayout) -> None:
        self._keys, self._rows = _files(folder, number)
        self._dtype = layout.dtype
        self._keys_state: tuple[int, int, int] | None = None  # of the keys file when it was read
        self._reset()

    def _reset(self) -> None:
        self._records: NDArray[np.void] = np.empty(0, RECORD_DTYPE)
        self._mapped: NDArray[np.void] = np.empty(0, self._dtype)
        self._sorted_rows, self._sorted_prefixes = np.empty(0, np.intp), np.empty(0, np.uint64)
        self._valid: dict[bytes, int] = {}  # rows whose checksum was verified

    @property
    def exists(self) -> bool:
        """Whether the shard is on disk."""
        return self._keys.exists()

    @property
    def count(self) -> int:
        """Number of rows."""
        return len(self._records)

    @property
    def is_full(self) -> bool:
        """Whether new rows must go to another shard."""
        return self.count * self._dtype.itemsize >= MAX_SHARD_BYTES

    def refresh(self) -> None:
        """Read the records again if their file has changed."""
        stat = self._keys.stat() if self.exists else None
        state = None if stat is None else (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if state == self._keys_state:
            return
        self._keys_state = state
        self._reset()
        if stat is not None:
            self._records = np.fromfile(self._keys, RECORD_DTYPE, stat.st_size // RECORD_DTYPE.itemsize)
            prefixes = np.ascontiguousarray(self._records["key"][:, :8]).view(np.uint64).ravel()
            self._sorted_rows = np.argsort(prefixes, kind="stable")
            self._sorted_prefixes = prefixes[self._sorted_rows]

    def find_all(self, key: bytes) -> Iterator[int]:
        """Yield the rows of a key."""
        prefix = np.frombuffer(key, np.uint64, 1)[0]
        for position in range(int(np.searchsorted(self._sorted_prefixes, prefix)), self.count):
            if self._sorted_prefixes[position] != prefix:
                return
            row = int(self._sorted_rows[position])
            if self._records[row]["key"].tobytes() == key:
                yield row

    def find_valid(self, key: bytes) -> int | None:
        """Find a row of a key that has the right checksum; the result is remembered."""
        if key not in self._valid:
            for row in self.find_all(key):
                self._ensure_mapped(row)
                if (
                    row < len(self._mapped)
                    and _checksum(key, self._mapped[row].tobytes()) == self._records[row]["checksum"]
                ):
                    self._valid[key] = row
        return self._valid.get(key)

    def rows(self, rows: Sequence[int]) -> NDArray[np.void]:
        """Copy rows."""
        self._ensure_mapped(max(rows))
        copied: NDArray[np.void] = self._mapped[rows]
        return copied

    def _ensure_mapped(self, row: int) -> None:
        """Map the rows file again if a row is not mapped yet."""
        if row < len(self._mapped):
            return
        count = self._rows.stat().st_size // self._dtype.itemsize if self._rows.exists() else 0
        if count:
            self._mapped = np.memmap(self._rows, self._dtype, "r", shape=(count,))

    def write(self, row: int, contents: Mapping[bytes, bytes]) -> None:
        """Write rows, beginning with row number `row`."""
        records = np.zeros(len(contents), RECORD_DTYPE)
        records["key"] = [np.frombuffer(key, np.uint8) for key in contents]
        records["checksum"] = [_checksum(key, content) for key, content in contents.items()]
        _write_at(self._rows, row * self._dtype.itemsize, b"".join(contents.values()))
        _write_at(self._keys, row * RECORD_DTYPE.itemsize, records.tobytes())
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


def _checksum(key: bytes, content: bytes) -> int:
    return zlib.crc32(content, zlib.crc32(key))


def _pack(levels: Sequence[Level], layout: FeatureLayout) -> bytes:
    """Convert levels to float16, each scaled by a power of two so that large values do not overflow."""
    row = np.zeros(1, layout.dtype)
    for i, level in enumerate(levels):
        scale = _scale(level)
        row["scales"][0, i] = scale
        row[f"level{i}"] = level / scale
    return row.tobytes()


def _scale(level: Level) -> np.float32:
    largest = float(np.abs(level).max(initial=0.0))
    if not 0 < largest < np.inf:
        return np.float32(1)
    return np.float32(2.0 ** np.clip(np.ceil(np.log2(largest / MAX_SCALED_VALUE)), -120, 120))


def round_level(level: Level) -> Level:
    """Round a level [C_i, P] to the precision of the store, so that stored and computed features are the same."""
    scale = _scale(level)
    rounded: Level = (level / scale).astype(np.float16).astype(np.float32) * scale
    return rounded
