"""Open files that may be compressed with gzip; what is decompressed is bounded."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from hvpkit.errors import DataError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

GZIP_MAGIC = b"\x1f\x8b"
MIN_LIMIT = 64 * 2**20  # bytes that any file may decompress to
MAX_RATIO = 100  # of decompressed to compressed bytes, for larger files; text reaches about 20


class _BoundedStream(io.RawIOBase):
    """Decompressed bytes of a file, up to a limit."""

    def __init__(self, stream: IO[bytes], file: Path, limit: int) -> None:
        self._stream, self._file, self._limit = stream, file, limit
        self._count = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill a buffer; raises "gzip-damaged" or "gzip-too-large"."""
        view = memoryview(buffer).cast("B")
        try:
            data = self._stream.read(len(view))
        except (OSError, EOFError, zlib.error) as error:
            raise DataError("gzip-damaged", file=self._file) from error
        self._count += len(data)
        if self._count > self._limit:
            raise DataError("gzip-too-large", file=self._file, limit=self._limit // 2**20)
        view[: len(data)] = data
        return len(data)


@contextmanager
def open_binary(file: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading; the bytes of a gzip file are decompressed, whatever its name.

    Raises:
        DataError: "gzip-damaged", or "gzip-too-large" if it decompresses to more than `MIN_LIMIT` bytes and to more
            than `MAX_RATIO` times its size. Both are raised while it is read.
    """
    with file.open("rb") as stream:
        is_gzip = stream.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        stream.seek(0)
        if not is_gzip:
            yield stream
            return
        limit = max(MIN_LIMIT, MAX_RATIO * file.stat().st_size)
        with gzip.GzipFile(fileobj=stream) as decompressed:
            bounded = _BoundedStream(cast(IO[bytes], decompressed), file, limit)
            yield cast(IO[bytes], io.BufferedReader(bounded))


def read_bounded(file: Path, limit: int) -> bytes:
    """Read a whole file, decompressed.

    Args:
        file: File to read.
        limit: Largest number of bytes.

    Raises:
        DataError: "file-too-large", or codes of `open_binary`.
    """
    with open_binary(file) as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise DataError("file-too-large", file=file, limit=limit // 2**20)
    return data
