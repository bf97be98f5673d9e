"""Lines of a JSON Lines input: read in bounded memory, parsed one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from hvpkit.errors import DataError, InputError
from hvpkit.inference.inputs import PredictionInput
from hvpkit.inference.prediction_json import input_from_json, parse_json_object

MAX_LINE_BYTES = 16_000_000


@dataclass(frozen=True)
class InputLine:
    """A line of the input that is not blank.

    Attributes:
        number: Line number, from 1.
        content: Bytes of the line, truncated beyond MAX_LINE_BYTES.
    """

    number: int
    content: bytes

    @cached_property
    def record(self) -> dict[str, Any] | DataError:
        """The JSON object of the line, or its error."""
        try:
            if len(self.content) > MAX_LINE_BYTES:
                raise DataError("line-too-long", megabytes=MAX_LINE_BYTES // 10**6)
            return parse_json_object(self.content)
        except DataError as error:
            return error

    def to_input(self, folder: Path) -> PredictionInput | InputError:
        """Convert the line to an input; return its error if it is invalid.

        Args:
            folder: Folder that image names are relative to.
        """
        if isinstance(self.record, DataError):
            return self.record
        try:
            return replace(input_from_json(self.record, folder), id=self.id or f"line {self.number}")
        except InputError as error:
            return error

    @property
    def id(self) -> str | int | None:
        """The id of the record, if it has one."""
        value = None if isinstance(self.record, DataError) else self.record.get("id")
        return value if isinstance(value, str) or type(value) is int else None


def read_lines(file: Path) -> Iterator[InputLine]:
    """Yield the lines of a file that are not blank, truncated to MAX_LINE_BYTES bytes."""
    with file.open("rb") as stream:
        number = 0
        while content := stream.readline(MAX_LINE_BYTES + 1):
            number += 1
            rest = content
            while not rest.endswith(b"\n") and (rest := stream.readline(MAX_LINE_BYTES)):
                pass
            content = content.removeprefix(b"\xef\xbb\xbf") if number == 1 else content
            if content.strip():
                yield InputLine(number, content.rstrip(b"\r\n"))
