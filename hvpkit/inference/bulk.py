"""Many predictions: one JSON line in, one out, in order, in bounded memory, going on where it stopped (no torch)."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hvpkit.errors import DataError, HvpkitError, InputError
from hvpkit.inference.inputs import PredictionInput
from hvpkit.inference.prediction_json import input_from_json, parse_json_object, prediction_to_json
from hvpkit.saving.model_folder import DESCRIPTION, LABELS, RECIPE, WEIGHTS, ModelFolder
from hvpkit.utils.file_lock import exclusive_lock
from hvpkit.utils.progress import track

if TYPE_CHECKING:
    from hvpkit.inference.predictor import Predictor

MAX_LINE = 16_000_000  # bytes of one line of the input
ERROR = b', "error": '


@dataclass(frozen=True)
class InputLine:
    """One line of the input that is not blank: its number from 1, and its bytes, cut after MAX_LINE of them."""

    number: int
    content: bytes

    @cached_property
    def record(self) -> dict[str, Any] | DataError:
        """Give its object, or what is wrong with it."""
        try:
            if len(self.content) > MAX_LINE:
                raise DataError("line-too-long", megabytes=MAX_LINE // 10**6)
            return parse_json_object(self.content)
        except DataError as error:
            return error

    def input(self, folder: Path) -> PredictionInput | InputError:
        """Read what is asked for, or why it cannot be read."""
        if isinstance(self.record, DataError):
            return self.record
        try:
            return replace(input_from_json(self.record, folder), id=self.id or f"line {self.number}")
        except InputError as error:
            return error

    @property
    def id(self) -> str | int | None:
        """Give the line's own name, where it has one."""
        name = None if isinstance(self.record, DataError) else self.record.get("id")
        return name if isinstance(name, str) or type(name) is int else None


@dataclass(frozen=True)
class BulkStatus:
    """How far an output file is: its finished lines, those of them that hold an error, the first error, the bytes that are theirs.

    `first_error` is "line 4: ...", `first_code` the code of its message.
    """

    lines: int = 0
    failed: int = 0
    first_error: str | None = None
    size: int = 0
    first_code: str | None = None

    def __add__(self, other: BulkStatus) -> BulkStatus:
        """Count further lines."""
        first = self if self.failed else other
        return BulkStatus(self.lines + other.lines, self.failed + other.failed, first.first_error, self.size + other.size, first.first_code)


@dataclass(frozen=True)
class PredictionFile:
    """An input file on its way to an output file by one model; `total` lines, of which `kept` were finished before."""

    source: Path
    target: Path
    model: str
    total: int
    kept: BulkStatus

    def run(self, predictor: Predictor) -> BulkStatus:
        """Predict the lines that are left, each written as soon as it is known; gives how far all is then.

        A bad line becomes an error in the output. Raises InputError when another process writes it.
        """
        done, waiting = self.kept, deque[InputLine]()
        taken = InputError("predictions-in-use", file=self.target)
        with exclusive_lock(self.target.with_name(f".{self.target.name}.lock"), taken), self.target.open("ab") as output:
            if _kept(self.source, self.target, self.model) != self.kept:
                raise taken
            output.truncate(self.kept.size)
            for answer in track(predictor.predict_many(self._inputs(waiting)), "lines", self.total - self.kept.lines):
                line = waiting.popleft()
                record = {"error": str(answer), "code": answer.code} if isinstance(answer, InputError) else prediction_to_json(answer)
                written = output_header(line, self.model) + _rest(record)
                output.write(written)
                output.flush()
                done += _finished(line, record if isinstance(answer, InputError) else None, len(written))
        return done

    def _inputs(self, waiting: deque[InputLine]) -> Iterator[PredictionInput | InputError]:
        for line in islice(read_lines(self.source), self.kept.lines, None):
            waiting.append(line)
            yield line.input(self.source.parent)


def open_prediction_file(source: Path, target: Path, model: ModelFolder, find_objects: bool = True) -> PredictionFile:
    """Look at the input and at what of the output is there already; with objects found or not, outputs are different ones.

    Raises InputError when the input is no file, or the output is not what this model and this input make, line for line.
    """
    if not source.is_file():
        unseekable = source.exists() or str(source) == "-"
        raise InputError("input-not-a-file", file=source) if unseekable else InputError("input-missing", file=source)
    if target.exists() and not target.is_file():
        raise InputError("output-not-a-file", file=target)
    if target.exists() and target.samefile(source):
        raise InputError("output-is-input", file=target)
    identity = input_fingerprint(model) + ("" if find_objects else " without objects")
    kept = _kept(source, target, identity) if target.exists() else BulkStatus()
    return PredictionFile(source, target, identity, sum(1 for _ in read_lines(source)), kept)


def read_lines(file: Path) -> Iterator[InputLine]:
    """Go through the lines of a file that are not blank, none of them held longer than MAX_LINE."""
    with file.open("rb") as stream:
        number = 0
        while content := stream.readline(MAX_LINE + 1):
            number += 1
            rest = content
            while not rest.endswith(b"\n") and (rest := stream.readline(MAX_LINE)):
                pass
            content = content.removeprefix(b"\xef\xbb\xbf") if number == 1 else content
            if content.strip():
                yield InputLine(number, content.rstrip(b"\r\n"))


# -------------------------------------------------------------------------------------------------------- lines of the output
def input_fingerprint(model: ModelFolder) -> str:
    """Give 16 hex digits that tell a model from another: a sha256 over its recipe, labels and weights."""
    digest = hashlib.sha256()
    for name in (DESCRIPTION, RECIPE, LABELS, WEIGHTS):
        with (model.folder / name).open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:16]


def output_header(line: InputLine, model: str) -> bytes:
    """Give the bytes that the output for a line begins with: its id, its number, and what model read which bytes."""
    made_of = hashlib.sha256(model.encode() + line.content).hexdigest()[:16]
    return _json({"id": line.id, "line": line.number, "fingerprint": made_of})[:-1]


def _rest(record: dict[str, Any]) -> bytes:
    return b", " + _json(record)[1:] + b"\n"


def _json(record: dict[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False).encode(errors="backslashreplace")  # halves of characters stay JSON's own escapes


def _kept(source: Path, target: Path, model: str) -> BulkStatus:
    """Check the output against the input, line by line; a last line that was not finished is not counted."""
    kept = BulkStatus()
    with target.open("rb") as stream:
        for line in read_lines(source):
            expected = output_header(line, model)
            found = stream.read(len(expected))
            if not expected.startswith(found):
                raise InputError("output-of-other-input", file=target, line=kept.lines + 1, input=source, input_line=line.number)
            rest = stream.readline()
            if not rest.endswith(b"\n"):
                return kept
            error = json.loads(b"{" + rest[2:]) if rest.startswith(ERROR) else None
            kept += _finished(line, error, len(found) + len(rest))
        if stream.read(1):
            raise InputError("output-longer-than-input", file=target, line=kept.lines + 1, input=source, count=kept.lines)
    return kept


def _finished(line: InputLine, error: Mapping[str, Any] | None, size: int) -> BulkStatus:
    """Count one line of the output, of so many bytes; `error` holds its message and code, None where it was predicted."""
    if error is None:
        return BulkStatus(1, size=size)
    return BulkStatus(1, 1, f"line {line.number}: {error['error']}", size, error.get("code"))


def require_any_success(done: BulkStatus, file: PredictionFile) -> None:
    """Raise HvpkitError when every single line failed."""
    if done.lines and done.failed == done.lines:
        raise HvpkitError("all-lines-failed", count=done.lines, file=file.source, reason=done.first_error)
