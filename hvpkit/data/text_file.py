"""The lines of a text file that nobody vouches for (no torch)."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from hvpkit.data.problems import BadRecord, Source
from hvpkit.errors import DataError

CUT_SHORT = "file ends in the middle of a record"


@dataclass(frozen=True)
class TextFile:
    """Lines without their ends; line i is number i + 1; `ended`: the last one had an end."""

    lines: tuple[str, ...]
    ended: bool

    def judge(self, fault: BadRecord, line: int) -> BadRecord:
        """Call a fault in the last line, if that has no end, what it most likely is."""
        last = not self.ended and (fault.line or line) == len(self.lines)
        return BadRecord(CUT_SHORT, f"the last line has no end, and {fault}", fault.line) if last else fault


def read_text_file(source: Source) -> TextFile:
    """Read UTF-8, with or without a byte order mark, with Unix or Windows line ends.

    Raises DataError for a file that is empty or, with line and byte, not UTF-8.
    """
    data = source.file.read_bytes()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError(f"{source.file} is UTF-16; save it as UTF-8")
    if data.startswith(codecs.BOM_UTF8):
        source.note("byte order mark, ignored", 1, "the file begins with one")
        data = data[len(codecs.BOM_UTF8) :]
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        raise DataError(f"{source.file}:{line}: byte {byte} of the line is not UTF-8 ({error.reason}); save the file as UTF-8") from error
    if not text.strip():
        raise DataError(f"{source.file} is empty")
    ended = text.endswith("\n")
    lines = text.split("\n")[: -1 if ended else None]
    windows = [i for i, line in enumerate(lines, 1) if line.endswith("\r")]
    if windows:
        source.note("Windows line end, read as a plain one", windows[0], f"{len(windows)} of {len(lines)} lines", times=len(windows))
    source.keep()
    return TextFile(tuple(line.removesuffix("\r") for line in lines), ended)
