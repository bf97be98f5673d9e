"""The lines of a text file that nobody vouches for (no torch)."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any

from hvpkit.errors import DataError
from hvpkit.messages import Message
from hvpkit.records.issues import ReadingContext, RecordError


def decode_utf8(line: str, number: int | None = None) -> str:
    """Give a line as it is; raises RecordError, of the line `number`, where a byte of it is not UTF-8."""
    try:
        line.encode("utf-8")
    except UnicodeEncodeError as error:
        place = len(line[: error.start].encode("utf-8")) + 1
        raise RecordError("line-not-utf8", byte=place, line=number) from None
    return line


def reject_lone_surrogates(record: dict[Any, Any]) -> dict[Any, Any]:
    """Give a record as it is; raises RecordError where a string of it holds half of a character (an escape can make one)."""
    try:
        json.dumps(record, ensure_ascii=False, default=str, skipkeys=True).encode("utf-8")
    except UnicodeEncodeError as error:
        before = error.object[: error.start][-20:]
        raise RecordError("lone-surrogate", character=f"U+{ord(error.object[error.start]):X}", before=before) from None
    return record


class TextFile:
    """UTF-8, with or without a byte order mark, with Unix or Windows line ends, read a line at a time."""

    def __init__(self, source: ReadingContext) -> None:
        self._source = source
        self._unended: int | None = None  # the number of a line without an end: the last one

    def lines(self) -> Iterator[str]:
        """Give the lines without their ends; the first has number 1. Those that may hold bytes that are not UTF-8 go through `utf8`.

        Raises DataError for a file that is empty, or UTF-16.
        """
        file, blank, windows, first = self._source.file, True, 0, 0
        with file.open("rb") as stream:
            for number, raw in enumerate(stream, 1):
                data = self._without_mark(raw) if number == 1 else raw
                if not data.endswith(b"\n"):
                    self._unended = number
                line = data.removesuffix(b"\n").decode("utf-8", "surrogateescape")
                blank = blank and not line.strip()
                if line.endswith("\r"):
                    windows, first = windows + 1, first or number
                yield line.removesuffix("\r")
        if blank:
            raise DataError("split-file-empty", file=file, split=self._source.split)
        if windows:
            self._source.warn_file(Message("windows-line-ends", count=windows, total=number), first, times=windows)

    def classify_truncation(self, fault: RecordError, line: int) -> RecordError:
        """Call a fault in the last line, if that has no end, what it most likely is."""
        last = (fault.line or line) == self._unended
        return RecordError("file-truncated", reason=fault.message, line=fault.line) if last else fault

    def _without_mark(self, data: bytes) -> bytes:
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise DataError("file-utf16", file=self._source.file)
        if not data.startswith(codecs.BOM_UTF8):
            return data
        self._source.warn_file(Message("byte-order-mark"), 1)
        return data.removeprefix(codecs.BOM_UTF8)
