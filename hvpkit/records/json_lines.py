"""Read JSON Lines: UTF-8, with or without byte order mark, one JSON object in each line that is not blank."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from hvpkit.records.compressed import open_binary
from hvpkit.records.issues import RecordError
from hvpkit.records.lines import check_encoding, reject_lone_surrogates

MAX_LINE_BYTES = 16_000_000
RECORD_FORMAT = (
    '{"text" or "tokens", "image"}, with "tags" or "entities": [{"start", "end", "type"}], '
    'or pairs with "head", "tail", "relation"'
)


@dataclass(frozen=True)
class JsonLine:
    """A line that is not blank.

    Attributes:
        number: Line number, from 1.
        content: Bytes of the line without its end, truncated beyond MAX_LINE_BYTES.
        is_ended: Whether the line has an end.
    """

    number: int
    content: bytes
    is_ended: bool = True

    @cached_property
    def record(self) -> dict[str, Any] | RecordError:
        """The JSON object of the line, or its error."""
        try:
            return parse_json_object(self.content)
        except RecordError as error:
            return error if self.is_ended else RecordError("file-truncated", reason=error.message)

    @property
    def id(self) -> str | int | None:
        """The id of the record, if it has one."""
        value = None if isinstance(self.record, RecordError) else self.record.get("id")
        return value if isinstance(value, str) or type(value) is int else None


def read_json_lines(file: Path) -> Iterator[JsonLine]:
    """Read the lines of a file that are not blank, in bounded memory.

    Raises:
        DataError: "not-utf8" for a file in UTF-16 or UTF-32, before any line; or codes of `open_binary`.
    """
    with open_binary(file) as stream:
        yield from read_stream(stream, file)


def read_stream(stream: IO[bytes], file: Path) -> Iterator[JsonLine]:
    """Read the lines of a stream that are not blank, in bounded memory.

    Args:
        stream: Binary stream.
        file: Its name in messages.

    Raises:
        DataError: "not-utf8" for UTF-16 or UTF-32, before any line.
    """
    number = 0
    while content := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        if number == 1:
            check_encoding(file, content)
            content = content.removeprefix(codecs.BOM_UTF8)
        end = content
        while not end.endswith(b"\n") and (rest := stream.readline(MAX_LINE_BYTES)):
            end = rest
        if content.strip():
            yield JsonLine(number, content.rstrip(b"\r\n"), end.endswith(b"\n"))


def parse_json_object(content: bytes) -> dict[str, Any]:
    """Parse a line as a JSON object.

    Raises:
        RecordError: "line-too-long", "line-not-utf8", "line-not-json", "record-not-object" or "lone-surrogate".
    """
    if len(content) > MAX_LINE_BYTES:
        raise RecordError("line-too-long", megabytes=MAX_LINE_BYTES // 10**6)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RecordError("line-not-utf8", byte=error.start + 1) from None
    beginning = text.strip()[:60]
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        raise RecordError("line-not-json", text=beginning, expected=RECORD_FORMAT) from None
    if not isinstance(record, dict):
        raise RecordError("record-not-object", expected=RECORD_FORMAT, found=beginning)
    return reject_lone_surrogates(record)
