"""Predict lines of a stream one after the other, without a file to resume."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from hvpkit.config.recipe import Recipe
from hvpkit.errors import InputError
from hvpkit.inference.inputs import ParsedInput, parse_input
from hvpkit.inference.predictions import Prediction
from hvpkit.records.json_lines import JsonLine, read_stream

if TYPE_CHECKING:
    from hvpkit.inference.predictor import Predictor


@dataclass(frozen=True)
class InputLine:
    """A line of input: a JSON record, or a text.

    Attributes:
        line: The line.
        is_text: Whether the whole line is a text.
    """

    line: JsonLine
    is_text: bool = False

    def parse(self, recipe: Recipe, root: Path) -> ParsedInput | InputError:
        """Parse the line; return the error of an invalid one.

        Args:
            recipe: Recipe of the model.
            root: Folder of its images.
        """
        default_id = f"line {self.line.number}"
        try:
            if self.is_text:
                return parse_input(self.line.content.decode("utf-8", "replace"), recipe, root, default_id)
            if isinstance(self.line.record, InputError):
                return self.line.record
            return parse_input(self.line.record, recipe, root, default_id)
        except InputError as error:
            return error


def read_input_lines(stream: IO[bytes], name: str) -> Iterator[InputLine]:
    """Read the lines of a stream: JSON records if the first line begins with `{`, else texts.

    Args:
        stream: Binary stream.
        name: Name of the stream in messages.

    Raises:
        DataError: "not-utf8" for UTF-16 or UTF-32.
    """
    is_text: bool | None = None
    for line in read_stream(stream, Path(name)):
        is_text = not line.content.lstrip().startswith(b"{") if is_text is None else is_text
        yield InputLine(line, is_text)


def predict_lines(predictor: Predictor, lines: Iterable[InputLine], root: Path) -> Iterator[dict[str, Any]]:
    """Predict lines in order.

    Args:
        predictor: Predictor of the model.
        lines: Lines of input.
        root: Folder of their images.

    Yields:
        The output record of each line, with a prediction or an error.
    """
    pending = deque[JsonLine]()

    def inputs() -> Iterator[ParsedInput | InputError]:
        for line in lines:
            pending.append(line.line)
            yield line.parse(predictor.folder.recipe, root)

    for result in predictor.predict_many(inputs()):
        yield output_record(pending.popleft(), result)


def output_header(line: JsonLine) -> dict[str, Any]:
    """Return what an output record says about its input line."""
    return {"id": line.id, "line": line.number}


def output_record(line: JsonLine, result: Prediction | InputError) -> dict[str, Any]:
    """Return the output record of a line.

    Args:
        line: Input line.
        result: Its prediction or error.
    """
    if isinstance(result, InputError):
        return output_header(line) | {"error": str(result), "code": result.code}
    return output_header(line) | result.to_dict()


def encode_record(record: Mapping[str, Any]) -> bytes:
    """Encode an output record as one line of JSON without its end; lone surrogates are escaped."""
    return json.dumps(record, ensure_ascii=False).encode(errors="backslashreplace")
