"""Predict JSON lines files in order, in bounded memory; an interrupted run is resumed."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hvpkit.config.recipe import Recipe
from hvpkit.errors import HvpkitError, InputError
from hvpkit.inference.inputs import ParsedInput, parse_input
from hvpkit.inference.prediction_json import prediction_to_json
from hvpkit.records.json_lines import JsonLine, read_json_lines
from hvpkit.saving.model_folder import DESCRIPTION, LABELS, RECIPE, WEIGHTS, ModelFolder
from hvpkit.utils.file_lock import exclusive_lock
from hvpkit.utils.progress import track

if TYPE_CHECKING:
    from hvpkit.inference.predictor import Predictor

ERROR_PREFIX = b', "error": '  # of an output line after its header


@dataclass(frozen=True)
class BulkStatus:
    """Progress of an output file.

    Attributes:
        lines: Number of finished lines.
        failed: Number of lines with an error.
        first_error: First error, as "line 4: ...".
        size: Size of the finished lines in bytes.
        first_code: Message code of the first error.
    """

    lines: int = 0
    failed: int = 0
    first_error: str | None = None
    size: int = 0
    first_code: str | None = None

    def __add__(self, other: BulkStatus) -> BulkStatus:
        """Add the status of further lines."""
        first = self if self.failed else other
        return BulkStatus(
            self.lines + other.lines,
            self.failed + other.failed,
            first.first_error,
            self.size + other.size,
            first.first_code,
        )


@dataclass(frozen=True)
class PredictionFile:
    """An input file with its output file.

    Attributes:
        source: Input file.
        target: Output file.
        recipe: Recipe of the model.
        model_fingerprint: Fingerprint of the model.
        total: Number of input lines.
        kept: Status of the output lines that an earlier run wrote; they are not predicted again.
    """

    source: Path
    target: Path
    recipe: Recipe
    model_fingerprint: str
    total: int
    kept: BulkStatus

    def run(self, predictor: Predictor) -> BulkStatus:
        """Predict the remaining lines; each is written immediately, an invalid line as an error.

        Args:
            predictor: Predictor of the model.

        Returns:
            Status of all lines.

        Raises:
            InputError: "predictions-in-use" if another process writes the output.
        """
        status, pending = self.kept, deque[JsonLine]()
        in_use = InputError("predictions-in-use", file=self.target)
        lock_file = self.target.with_name(f".{self.target.name}.lock")
        with exclusive_lock(lock_file, in_use), self.target.open("ab") as output:
            if _check_output(self.source, self.target, self.model_fingerprint) != self.kept:
                raise in_use
            output.truncate(self.kept.size)
            for result in track(predictor.predict_many(self._inputs(pending)), "lines", self.total - self.kept.lines):
                line = pending.popleft()
                error = None
                if isinstance(result, InputError):
                    record = error = {"error": str(result), "code": result.code}
                else:
                    record = prediction_to_json(result)
                content = output_header(line, self.model_fingerprint) + _output_body(record)
                output.write(content)
                output.flush()
                status += _line_status(line, error, len(content))
        return status

    def _inputs(self, pending: deque[JsonLine]) -> Iterator[ParsedInput | InputError]:
        for line in islice(read_json_lines(self.source), self.kept.lines, None):
            pending.append(line)
            yield self._parse(line)

    def _parse(self, line: JsonLine) -> ParsedInput | InputError:
        if isinstance(line.record, InputError):
            return line.record
        try:
            return parse_input(line.record, self.recipe, self.source.parent, f"line {line.number}")
        except InputError as error:
            return error


def open_prediction_file(source: Path, target: Path, model: ModelFolder, detect_objects: bool = True) -> PredictionFile:
    """Check the input and an existing output.

    Args:
        source: Input file.
        target: Output file; the finished lines of an interrupted run are kept.
        model: Model folder.
        detect_objects: Whether objects are detected; an output cannot be continued with the other setting.

    Raises:
        DataError: "not-utf8".
        InputError: "input-missing", "input-not-a-file", "output-not-a-file", "output-is-input",
            "output-of-other-input" or "output-longer-than-input".
    """
    if not source.is_file():
        unseekable = source.exists() or str(source) == "-"
        raise InputError("input-not-a-file", file=source) if unseekable else InputError("input-missing", file=source)
    if target.exists() and not target.is_file():
        raise InputError("output-not-a-file", file=target)
    if target.exists() and target.samefile(source):
        raise InputError("output-is-input", file=target)
    fingerprint = model_fingerprint(model) + ("" if detect_objects else " without objects")
    kept = _check_output(source, target, fingerprint) if target.exists() else BulkStatus()
    return PredictionFile(source, target, model.recipe, fingerprint, sum(1 for _ in read_json_lines(source)), kept)


def model_fingerprint(model: ModelFolder) -> str:
    """Compute the fingerprint of a model: 16 hex digits of a sha256 over recipe, labels and weights."""
    digest = hashlib.sha256()
    for name in (DESCRIPTION, RECIPE, LABELS, WEIGHTS):
        with (model.folder / name).open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:16]


def output_header(line: JsonLine, model: str) -> bytes:
    """Build the beginning of an output line: id, line number, and fingerprint of model and input line.

    Args:
        line: Input line.
        model: Fingerprint of the model.
    """
    fingerprint = hashlib.sha256(model.encode() + line.content).hexdigest()[:16]
    return _json({"id": line.id, "line": line.number, "fingerprint": fingerprint})[:-1]


def _output_body(record: dict[str, Any]) -> bytes:
    return b", " + _json(record)[1:] + b"\n"


def _json(record: dict[str, Any]) -> bytes:
    # Lone surrogates become JSON escapes.
    return json.dumps(record, ensure_ascii=False).encode(errors="backslashreplace")


def _check_output(source: Path, target: Path, model: str) -> BulkStatus:
    """Compare the output with the input line by line; an unfinished last line is not counted."""
    kept = BulkStatus()
    with target.open("rb") as stream:
        for line in read_json_lines(source):
            expected = output_header(line, model)
            header = stream.read(len(expected))
            output_line = kept.lines + 1
            if not expected.startswith(header):
                raise InputError(
                    "output-of-other-input", file=target, line=output_line, input=source, input_line=line.number
                )
            body = stream.readline()
            if not body.endswith(b"\n"):
                return kept
            error = json.loads(b"{" + body[2:]) if body.startswith(ERROR_PREFIX) else None
            kept += _line_status(line, error, len(header) + len(body))
        if stream.read(1):
            line_number = kept.lines + 1
            raise InputError("output-longer-than-input", file=target, line=line_number, input=source, count=kept.lines)
    return kept


def _line_status(line: JsonLine, error: Mapping[str, Any] | None, size: int) -> BulkStatus:
    """Return the status of one output line of `size` bytes; `error` has message and code, None for a prediction."""
    if error is None:
        return BulkStatus(1, size=size)
    return BulkStatus(1, 1, f"line {line.number}: {error['error']}", size, error.get("code"))


def require_any_success(status: BulkStatus, file: PredictionFile) -> None:
    """Check that at least one line was predicted.

    Args:
        status: Status of the output.
        file: Input and output file.

    Raises:
        HvpkitError: "all-lines-failed".
    """
    if status.lines and status.failed == status.lines:
        raise HvpkitError("all-lines-failed", count=status.lines, file=file.source, reason=status.first_error)
