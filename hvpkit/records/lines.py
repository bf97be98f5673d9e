"""Read the lines of untrusted text files."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hvpkit.errors import DataError
from hvpkit.messages import Message
from hvpkit.records.compressed import open_binary
from hvpkit.records.issues import ReadingContext, RecordError


def decode_utf8(line: str, number: int | None = None) -> str:
    """Return a line unchanged after checking that it was valid UTF-8.

    Args:
        line: Line of `TextFile.lines`, where invalid bytes are surrogates.
        number: Line number for the error, None for the line where the record begins.

    Raises:
        RecordError: "line-not-utf8".
    """
    try:
        line.encode("utf-8")
    except UnicodeEncodeError as error:
        byte = len(line[: error.start].encode("utf-8")) + 1
        raise RecordError("line-not-utf8", byte=byte, line=number) from None
    return line


def reject_lone_surrogates(record: dict[Any, Any]) -> dict[Any, Any]:
    """Return a record unchanged after checking that no string has a lone surrogate, as JSON escapes allow.

    Raises:
        RecordError: "lone-surrogate".
    """
    check_encodable(json.dumps(record, ensure_ascii=False, default=str, skipkeys=True))
    return record


def check_encodable(text: str) -> str:
    """Return a text unchanged after checking that it has no lone surrogate.

    Raises:
        RecordError: "lone-surrogate".
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        before = text[: error.start][-20:]
        raise RecordError("lone-surrogate", character=f"U+{ord(text[error.start]):X}", before=before) from None
    return text


def check_encoding(file: Path, beginning: bytes) -> None:
    """Check that a file is not UTF-16 or UTF-32, with or without byte order mark, before any of its lines is read.

    Args:
        file: File, for the error.
        beginning: Its first bytes.

    Raises:
        DataError: "not-utf8".
    """
    if beginning.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in beginning[:4]:
        raise DataError("not-utf8", file=file)


class TextFile:
    """UTF-8 text file, with or without byte order mark, with Unix or Windows line ends, read line by line.

    Args:
        source: File to read; receives issues.
    """

    def __init__(self, source: ReadingContext) -> None:
        self._source = source
        self._unended: int | None = None  # number of the last line, if it has no line end

    def lines(self) -> Iterator[str]:
        """Iterate over the lines without line ends; invalid bytes are found by `decode_utf8`.

        Raises:
            DataError: "split-file-empty", "not-utf8", or codes of `open_binary`.
        """
        file, is_blank, windows, first = self._source.file, True, 0, 0
        with open_binary(file) as stream:
            for number, raw in enumerate(stream, 1):
                data = self._strip_bom(raw) if number == 1 else raw
                if not data.endswith(b"\n"):
                    self._unended = number
                line = data.removesuffix(b"\n").decode("utf-8", "surrogateescape")
                is_blank = is_blank and not line.strip()
                if line.endswith("\r"):
                    windows, first = windows + 1, first or number
                yield line.removesuffix("\r")
        if is_blank:
            raise DataError("split-file-empty", file=file, split=self._source.split)
        if windows:
            self._source.warn_file(Message("windows-line-ends", count=windows, total=number), first, times=windows)

    def classify_truncation(self, error: RecordError, line: int) -> RecordError:
        """Return "file-truncated" for an error in a last line without line end, else the error itself."""
        is_last = (error.line or line) == self._unended
        return RecordError("file-truncated", reason=error.message, line=error.line) if is_last else error

    def _strip_bom(self, data: bytes) -> bytes:
        check_encoding(self._source.file, data)
        if not data.startswith(codecs.BOM_UTF8):
            return data
        self._source.warn_file(Message("byte-order-mark"), 1)
        return data.removeprefix(codecs.BOM_UTF8)
