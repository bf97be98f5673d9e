"""The lines of a text file that nobody vouches for (no torch)."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from hvpkit.data.problems import BadRecord, Source
from hvpkit.errors import DataError

CUT_SHORT = "file ends in the middle of a record"


class TextFile:
    """UTF-8, with or without a byte order mark, with Unix or Windows line ends, read a line at a time."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._unended: int | None = None  # the number of a line without an end: the last one

    def lines(self) -> Iterator[str]:
        """Give the lines without their ends; the first has number 1.

        Raises DataError for a file that is empty or, with line and byte, not UTF-8.
        """
        file, blank, windows, first = self._source.file, True, 0, 0
        with file.open("rb") as stream:
            for number, raw in enumerate(stream, 1):
                data = self._without_mark(raw) if number == 1 else raw
                if not data.endswith(b"\n"):
                    self._unended = number
                try:
                    line = data.removesuffix(b"\n").decode("utf-8")
                except UnicodeDecodeError as error:
                    place = f"{file}:{number}: byte {error.start + 1} of the line"
                    raise DataError(f"{place} is not UTF-8 ({error.reason}); save the file as UTF-8") from error
                blank = blank and not line.strip()
                if line.endswith("\r"):
                    windows, first = windows + 1, first or number
                yield line.removesuffix("\r")
        if blank:
            raise DataError(f"{file} is empty")
        if windows:
            self._source.note_of_file("Windows line end, read as a plain one", first, f"{windows} of {number} lines", times=windows)

    def judge(self, fault: BadRecord, line: int) -> BadRecord:
        """Call a fault in the last line, if that has no end, what it most likely is."""
        last = (fault.line or line) == self._unended
        return BadRecord(CUT_SHORT, f"the last line has no end, and {fault}", fault.line) if last else fault

    def _without_mark(self, data: bytes) -> bytes:
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise DataError(f"{self._source.file} is UTF-16; save it as UTF-8")
        if not data.startswith(codecs.BOM_UTF8):
            return data
        self._source.note_of_file("byte order mark, ignored", 1, "the file begins with one")
        return data.removeprefix(codecs.BOM_UTF8)
