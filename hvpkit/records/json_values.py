"""Read records from JSON Lines, JSON arrays and lines of Python literals, each with its line."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from hvpkit.errors import DataError
from hvpkit.records.issues import ReadingContext, RecordError
from hvpkit.records.lines import TextFile, decode_utf8, reject_lone_surrogates

MAX_LITERAL = 2**20  # characters of a line that is parsed as a Python literal
MAX_DOCUMENT = 2**30  # bytes of a file that is parsed as one value; JSON Lines may be of any size
MAX_NESTING = 50  # brackets in each other
_BLANKS = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True)
class LocatedRecord:
    """A record of a file, or the reason why it cannot be read.

    Attributes:
        line: Line where it begins, from 1.
        value: The record, or an error.
        file: File that contains it, None for the file that is read.
    """

    line: int
    value: Mapping[str, Any] | RecordError
    file: Path | None = None


def parse_json(text: str, expected: str) -> dict[str, Any]:
    """Parse a JSON object.

    Args:
        text: Text of the object.
        expected: Format of a record, for messages.

    Raises:
        RecordError: "line-not-json", "record-not-object" or "lone-surrogate".
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise RecordError("line-not-json", text=text.strip()[:60], expected=expected) from None
    return _require_object(value, expected)


def parse_literal(text: str, expected: str) -> dict[str, Any]:
    """Parse a JSON object, or a Python dict, which is never executed.

    Raises:
        RecordError: "line-not-literal", "literal-too-large", "record-not-object" or "lone-surrogate".
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = _parse_python(text)
    return _require_object(value, expected)


def read_objects(source: ReadingContext, expected: str, *, literals: bool = False) -> Iterator[LocatedRecord]:
    """Iterate over the records of a file: JSON Lines, or a JSON array, also as the only value of an object.

    Args:
        source: File to read.
        expected: Format of a record, for messages.
        literals: Whether lines may also be Python literals.

    Raises:
        DataError: "file-too-large" for an array, or codes of `TextFile.lines`.
    """
    file = TextFile(source)
    lines = enumerate(file.lines(), 1)
    start = next(((number, line) for number, line in lines if line.strip()), (1, ""))
    if start[1].lstrip().startswith("[") or start[1].rstrip().endswith(("{", "[", ",")):
        if source.file.stat().st_size > MAX_DOCUMENT:
            raise DataError("file-too-large", file=source.file, limit=MAX_DOCUMENT // 2**20)
        text = "\n".join((start[1], *(line for _, line in lines)))
        yield from _read_document(text, start[0], expected)
        return
    parse = parse_literal if literals else parse_json
    for number, line in chain((start,), lines):
        if line.strip():
            try:
                yield from (_located(number, item, expected) for item in _elements(parse(decode_utf8(line), expected)))
            except RecordError as error:
                yield LocatedRecord(number, file.classify_truncation(error, number))


def _read_document(text: str, line: int, expected: str) -> Iterator[LocatedRecord]:
    """Iterate over the elements of an array, or over the only array of an object; or return the object alone."""
    begin = _skip_blanks(text, 0)
    if text[begin] == "{":
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            yield LocatedRecord(line, RecordError("json-broken", text=text[begin : begin + 60], expected=expected))
            return
        yield from (_located(line, item, expected) for item in _elements(value))
        return
    position, begin = begin + 1, 0
    while True:
        position = _skip_blanks(text, position)
        line += text.count("\n", begin, position)
        begin = position
        if text.startswith("]", position):
            return
        try:
            value, position = _DECODER.raw_decode(text, position)
        except (ValueError, RecursionError):
            yield LocatedRecord(line, RecordError("json-broken", text=text[begin : begin + 60], expected=expected))
            return
        yield _located(line, value, expected)
        position = _skip_blanks(text, position)
        if text.startswith(",", position):
            position += 1
        elif not text.startswith("]", position):
            line += text.count("\n", begin, position)
            rest = text[position : position + 60]
            yield LocatedRecord(line, RecordError("json-broken", text=rest, expected=expected))
            return


def _elements(value: dict[str, Any]) -> list[Any]:
    """Return the objects of an object that has one list of objects and nothing else; else the object."""
    [first, *others] = value.values() if value else [None]
    return first if not others and isinstance(first, list) and first and isinstance(first[0], dict) else [value]


def _located(line: int, value: object, expected: str) -> LocatedRecord:
    try:
        return LocatedRecord(line, _require_object(value, expected))
    except RecordError as error:
        return LocatedRecord(line, error)


def peek_objects(text: str, limit: int = 20) -> list[dict[str, Any]]:
    """Return the first records at the beginning of a file, also of one that is cut off.

    Args:
        text: Beginning of the file.
        limit: Largest number of records.
    """
    begin = _skip_blanks(text, 0)
    if text.startswith("[", begin):
        return _peek_elements(text, begin + 1, limit)
    if not text.startswith("{", begin):
        return []
    found: list[dict[str, Any]] = []
    for line in text.splitlines()[: 4 * limit]:
        try:
            found += [item for item in _elements(parse_literal(line, "")) if isinstance(item, dict)]
        except RecordError:
            continue
    if found:
        return found[:limit]
    try:
        value, _ = _DECODER.raw_decode(text, begin)
        return [item for item in _elements(value) if isinstance(item, dict)][:limit]
    except (ValueError, RecursionError):
        return _peek_elements(text, text.find("[", begin) + 1, limit)


def _peek_elements(text: str, position: int, limit: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while len(found) < limit:
        try:
            value, position = _DECODER.raw_decode(text, _skip_blanks(text, position))
        except (ValueError, RecursionError):
            break
        found += [value] if isinstance(value, dict) else []
        position = _skip_blanks(text, position)
        if not text.startswith(",", position):
            break
        position += 1
    return found


def _skip_blanks(text: str, position: int) -> int:
    match = _BLANKS.match(text, position)
    return match.end() if match else position


def _require_object(value: object, expected: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RecordError("record-not-object", expected=expected, found=repr(value)[:60])
    return reject_lone_surrogates(value)


def _parse_python(text: str) -> object:
    if len(text) > MAX_LITERAL or _nesting(text) > MAX_NESTING:
        raise RecordError("literal-too-large", size=len(text), limit=MAX_LITERAL, nesting=MAX_NESTING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings about backslashes in strings
            return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise RecordError("line-not-literal", text=text.strip()[:60]) from None


def _nesting(text: str) -> int:
    """Count brackets in each other; those in strings count too."""
    depth = deepest = 0
    for character in re.findall(r"[\[\](){}]", text):
        depth += 1 if character in "[({" else -1
        deepest = max(deepest, depth)
    return deepest
