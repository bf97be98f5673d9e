"""Feature store: float16 features on local disk in an LMDB database, for concurrent readers and writers.

A value is a row and the CRC32 of its key and row. LMDB commits a batch completely or not at all, so that killed
processes and full disks lose unfinished batches only; a row with a wrong checksum counts as missing and is overwritten.
LMDB locks through shared memory: the folder must not be on a network file system.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import lmdb
import numpy as np
from numpy.typing import NDArray

from hvpkit.features.database import open_database

CHECKSUM_BYTES = 4
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

    @cached_property
    def dtype(self) -> np.dtype[np.void]:
        """The structured dtype of a row; `checksum` is the CRC32 of the key and of the bytes before it."""
        levels = [(f"level{i}", "<f2", size) for i, size in enumerate(zip(self.channels, self.cells, strict=True))]
        return np.dtype([("scales", "<f4", len(levels)), *levels, ("checksum", "<u4")])


class FeatureStore:
    """Store of image features in a folder, by keys of 32 bytes.

    Args:
        folder: Folder on a local disk; created if it does not exist.
        layout: Layout of a row.
    """

    def __init__(self, folder: Path, layout: FeatureLayout) -> None:
        self.folder, self.layout, self._database = folder, layout, open_database(folder)
        self._verified: set[bytes] = set()  # keys whose checksum was compared

    def __reduce__(self) -> tuple[type[FeatureStore], tuple[Path, FeatureLayout]]:
        return FeatureStore, (self.folder, self.layout)  # another process opens the database itself

    def __len__(self) -> int:
        return len(self._database)

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
        rows = np.empty(len(keys), self.layout.dtype)
        if not self._database.read(lambda values: self._copy_rows(values, keys, rows), default=False):
            return None
        return [rows[f"level{i}"] for i in range(len(self.layout.channels))], rows["scales"].T.copy()

    def contains(self, key: bytes) -> bool:
        """Return whether a key has a row with the right checksum."""
        return self.read_many([key]) is not None

    def is_corrupt(self, key: bytes) -> bool:
        """Return whether a key has a row with a wrong checksum."""
        return not self.contains(key) and self._database.read(lambda values: values.get(key) is not None, default=True)

    def write_many(self, features: Mapping[bytes, Sequence[Level]]) -> None:
        """Write the features of keys that are missing or corrupt.

        Args:
            features: C levels [C_i, P] by key.

        Raises:
            OSError: The disk is full, or the folder cannot be written.
        """
        rows = {key: _pack(key, levels, self.layout) for key, levels in features.items()}

        def write(values: lmdb.Transaction) -> None:
            current = np.empty(1, self.layout.dtype)
            for key, row in rows.items():
                if not self._copy_rows(values, [key], current):
                    values.put(key, row)

        self._database.write(write)

    def _copy_rows(self, values: lmdb.Transaction, keys: Sequence[bytes], rows: NDArray[np.void]) -> bool:
        """Copy the rows of keys; return False as soon as one is missing or corrupt."""
        size = self.layout.dtype.itemsize
        buffers, checksums = rows.view(np.uint8).reshape(-1, size), rows["checksum"]
        for key, buffer, i in zip(keys, buffers, range(len(keys)), strict=True):
            value = values.get(key)
            if value is None or len(value) != size:
                return False
            buffer[:] = np.frombuffer(value, np.uint8)
            if key not in self._verified and checksums[i] != _checksum(key, buffer):
                return False
            self._verified.add(key)
        return True


def _pack(key: bytes, levels: Sequence[Level], layout: FeatureLayout) -> bytes:
    """Convert levels to float16, each scaled by a power of two so that large values do not overflow."""
    row = np.zeros(1, layout.dtype)
    for i, level in enumerate(levels):
        scale = _scale(level)
        row["scales"][0, i] = scale
        row[f"level{i}"] = level / scale
    row["checksum"] = _checksum(key, row.view(np.uint8))
    return row.tobytes()


def _checksum(key: bytes, row: NDArray[np.uint8]) -> int:
    """Compute the checksum of a key and of the bytes of a row before its own checksum."""
    return zlib.crc32(row[:-CHECKSUM_BYTES].data, zlib.crc32(key))


def _scale(level: Level) -> np.float32:
    largest = float(np.abs(level).max(initial=0.0))
    if not 0 < largest < np.inf:
        return np.float32(1)
    return np.float32(2.0 ** np.clip(np.ceil(np.log2(largest / MAX_SCALED_VALUE)), -120, 120))
