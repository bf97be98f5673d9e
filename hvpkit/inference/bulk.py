"""Predict JSON lines files in order, in bounded memory; an interrupted run is resumed."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hvpkit.config.recipe import Recipe
from hvpkit.errors import HvpkitError, InputError
from hvpkit.inference.inputs import ParsedInput
from hvpkit.inference.line_stream import InputLine, encode_record, output_header, output_record
from hvpkit.records.json_lines import JsonLine, read_json_lines
from hvpkit.saving.model_folder import DESCRIPTION, LABELS, RECIPE, WEIGHTS, ModelFolder
from hvpkit.utils.file_lock import exclusive_lock
from hvpkit.utils.progress import track
from hvpkit.utils.run_identity import FILE, check_identity, load_identity, write_identity

if TYPE_CHECKING:
    from hvpkit.inference.predictor import Predictor


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
        identity: Identity of the run: model, input and settings.
        total: Number of input lines.
        kept: Status of the output lines that an earlier run wrote; they are not predicted again.
    """

    source: Path
    target: Path
    recipe: Recipe
    identity: Mapping[str, Any]
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
        with exclusive_lock(self.target.with_name(f".{self.target.name}.lock"), in_use):
            if _read_status(self.source, self.target) != self.kept:
                raise in_use
            write_identity(_identity_file(self.target), self.identity)
            with self.target.open("ab") as output:
                output.truncate(self.kept.size)
                results = predictor.predict_many(self._inputs(pending))
                for result in track(results, "lines", self.total - self.kept.lines):
                    record = output_record(pending.popleft(), result)
                    content = encode_record(record) + b"\n"
                    output.write(content)
                    output.flush()
                    status += _line_status(record, len(content))
        return status

    def _inputs(self, pending: deque[JsonLine]) -> Iterator[ParsedInput | InputError]:
        for line in islice(read_json_lines(self.source), self.kept.lines, None):
            pending.append(line)
            yield InputLine(line).parse(self.recipe, self.source.parent)


def open_prediction_file(source: Path, target: Path, model: ModelFolder, detect_objects: bool = True) -> PredictionFile:
    """Check the input and an existing output.

    Args:
        source: Input file.
        target: Output file; the finished lines of an interrupted run are kept. The identity of the run is stored
            beside it, in `TARGET.run.json`.
        model: Model folder.
        detect_objects: Whether objects are detected.

    Raises:
        DataError: "not-utf8".
        InputError: "input-missing", "input-not-a-file", "output-not-a-file" or "output-is-input"; "output-exists" if
            the output holds anything but predictions of the input, "run-mismatch" if they are of another model, input
            or setting, "run-file-damaged".
    """
    if not source.is_file():
        unseekable = source.exists() or str(source) == "-"
        raise InputError("input-not-a-file", file=source) if unseekable else InputError("input-missing", file=source)
    if target.exists() and not target.is_file():
        raise InputError("output-not-a-file", file=target)
    if target.exists() and target.samefile(source):
        raise InputError("output-is-input", file=target)
    identity = {"hvpkit": version("hvpkit"), "model": model_fingerprint(model), "detect_objects": detect_objects}
    if not target.exists() or not target.stat().st_size:
        now, total = _input_identity(source, None)
        return PredictionFile(source, target, model.recipe, identity | now, total, BulkStatus())
    previous = load_identity(_identity_file(target))
    if previous is None:
        raise InputError("output-exists", output=target)
    same, _ = _input_identity(source, int(previous.get("lines", 0)))
    check_identity(target.name, target.parent, previous, identity | same)
    now, total = _input_identity(source, None)
    return PredictionFile(source, target, model.recipe, identity | now, total, _read_status(source, target))


def model_fingerprint(model: ModelFolder) -> str:
    """Compute the fingerprint of a model: 16 hex digits of a sha256 over recipe, labels and weights."""
    digest = hashlib.sha256()
    for name in (DESCRIPTION, RECIPE, LABELS, WEIGHTS):
        with (model.folder / name).open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:16]


def _identity_file(target: Path) -> Path:
    return target.with_name(f"{target.name}.{FILE}")


def _input_identity(source: Path, count: int | None) -> tuple[dict[str, Any], int]:
    """Return number and fingerprint of the first `count` input lines, all by default, which may be fewer."""
    digest, lines = hashlib.sha256(), 0
    for line in islice(read_json_lines(source), count):
        digest.update(b"%d %d " % (line.number, len(line.content)) + line.content)
        lines += 1
    return {"input": digest.hexdigest()[:16], "lines": lines}, lines


def _read_status(source: Path, target: Path) -> BulkStatus:
    """Read the status of the finished output lines; an unfinished last line is not counted.

    Raises:
        InputError: "output-exists" if a line is not of the input.
    """
    status = BulkStatus()
    if not target.exists():
        return status
    with target.open("rb") as output:
        lines = read_json_lines(source)
        for content in output:
            header = b"" if (line := next(lines, None)) is None else encode_record(output_header(line))[:-1]
            if not header or content[: len(header)] != header[: len(content)]:
                raise InputError("output-exists", output=target)
            if content.endswith(b"\n"):
                status += _line_status(_parse(content, target), len(content))
    return status


def _parse(content: bytes, target: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(content))
    except ValueError:
        raise InputError("output-exists", output=target) from None


def _line_status(record: Mapping[str, Any], size: int) -> BulkStatus:
    """Return the status of one output line of `size` bytes."""
    if "error" not in record:
        return BulkStatus(1, size=size)
    return BulkStatus(1, 1, f"line {record['line']}: {record['error']}", size, record.get("code"))


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
