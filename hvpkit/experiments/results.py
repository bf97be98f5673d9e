"""What finished runs found: `results.jsonl`, a header line and then one line a run; all tables come from it alone (no torch).

A line is written whole or cut off again, so a full disk or a kill loses nothing that was there.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from hvpkit.errors import HvpkitError, PlanError
from hvpkit.experiments.expand import PlannedRun
from hvpkit.experiments.plan import Plan
from hvpkit.messages import Message

FORMAT = 2
FILE = "results.jsonl"


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class RunScore(_Record):
    """Micro precision, recall and F1, 0..1."""

    precision: float
    recall: float
    f1: float


class Outcomes(_Record):
    """For each test example, in the data's order: right answers, given answers, gold answers."""

    correct: list[int]
    predicted: list[int]
    gold: list[int]


class DataInfo(_Record):
    """The data of a run: name, fingerprint, examples and examples with an image that its model looked at, by split."""

    name: str
    fingerprint: str
    examples: dict[str, int]
    with_image: dict[str, int]


class Trial(_Record):
    """One trial of a search: its number, the settings that it tried, dev F1 by epoch, whether it was stopped early."""

    number: int
    settings: dict[str, Any]
    epochs: dict[str, float]
    pruned: bool = False


class Result(_Record):
    """One finished run; `shuffled` are the test scores with images shuffled, `backbone` and its `weights` are None on text alone."""

    run: PlannedRun
    data: DataInfo
    encoder: str
    backbone: str | None = None
    weights: str | None = None
    notes: list[str] = []
    best_epoch: int = 0
    dev: RunScore | None = None
    test: RunScore | None = None
    shuffled: RunScore | None = None
    outcomes: Outcomes | None = None
    trial: Trial | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Header:
    """The first line: the plan, and the names of all its runs."""

    plan: Plan
    runs: tuple[str, ...]

    def line(self) -> str:
        """Write it."""
        plan = self.plan.model_dump(mode="json", by_alias=True)
        return json.dumps({"format": FORMAT, "hvpkit": version("hvpkit"), "plan": plan, "runs": self.runs}) + "\n"


def read_results(folder: Path) -> tuple[Header, list[Result]]:
    """Read a folder's results, of each run the last line; a last line that was cut off by a kill is left out.

    Raises PlanError when there are none, when another version wrote them, or a line is damaged.
    """
    file = folder / FILE
    if not file.is_file():
        raise PlanError("results-missing", folder=folder, file=FILE)
    lines = file.read_text(encoding="utf-8").split("\n")[:-1]
    if not lines:
        raise PlanError("results-empty", file=file, folder=folder)
    header = _header(file, lines[0])
    results = {}
    for number, line in enumerate(lines[1:], start=2):
        try:
            result = Result.model_validate_json(line)
        except ValidationError as error:
            raise PlanError("results-line-damaged", file=file, line=number, reason=error.errors()[0]["msg"]) from error
        results[result.run.name] = result
    return header, list(results.values())


def _header(file: Path, line: str) -> Header:
    try:
        held = json.loads(line)
        wrong = held["format"] != FORMAT
        if not wrong:
            return Header(Plan.model_validate_json(json.dumps(held["plan"])), tuple(held["runs"]))
    except (ValueError, KeyError, TypeError) as error:
        raise PlanError("results-header-damaged", file=file, reason=str(error).splitlines()[0]) from error
    writer, reader = held.get("hvpkit"), version("hvpkit")
    raise PlanError("results-format", file=file, found=held["format"], writer=writer, reader=reader, expected=FORMAT)


class ResultsFile:
    """The results that a running experiment adds to."""

    def __init__(self, folder: Path, header: Header, results: Sequence[Result]) -> None:
        self.file, self.results, self._guard = folder / FILE, list(results), threading.Lock()
        draft = self.file.with_suffix(".draft")
        try:
            draft.write_text(header.line() + "".join(_line(result) for result in self.results), encoding="utf-8")
            os.replace(draft, self.file)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise _unwritable(self.file, error) from error

    def add(self, result: Result) -> None:
        """Append a result, whole or not at all; raises HvpkitError when it cannot be written."""
        with self._guard:
            self._append(result)
            self.results.append(result)

    def _append(self, result: Result) -> None:
        before = self.file.stat().st_size
        try:
            with self.file.open("a", encoding="utf-8") as lines:
                lines.write(_line(result))
                lines.flush()
                os.fsync(lines.fileno())
        except OSError as error:
            os.truncate(self.file, before)
            raise _unwritable(self.file, error) from error


def open_results(folder: Path, header: Header, runs: Sequence[PlannedRun], fingerprints: dict[str, str]) -> ResultsFile:
    """Go on with a folder's results, or begin.

    Raises PlanError where a run of the plan was done with another recipe, other plugins or other data.
    """
    planned = {run.name: run for run in runs}
    return ResultsFile(folder, header, [_placed(result, planned) for result in existing_results(folder, planned, fingerprints)])


def existing_results(folder: Path, planned: Mapping[str, PlannedRun], fingerprints: Mapping[str, str]) -> list[Result]:
    """Read the results that a folder holds already; raises PlanError as `open_results` does."""
    kept = read_results(folder)[1] if (folder / FILE).is_file() else []
    for result in kept:
        run, data = planned.get(result.run.name), result.data.fingerprint
        changed = [] if run is None else run.differs_from(result.run)
        changed += [Message("data-changed")] if data and data != fingerprints.get(result.run.dataset, data) else []
        if changed:
            raise PlanError("run-differs", folder=folder, run=result.run.name, changes=changed)
    return kept


def _placed(result: Result, planned: dict[str, PlannedRun]) -> Result:
    """Give a kept result its place in the plan as it is now (the same recipe may have become another's twin)."""
    return result.model_copy(update={"run": planned.get(result.run.name, result.run)})


def _line(result: Result) -> str:
    return result.model_dump_json() + "\n"


def _unwritable(file: Path, error: OSError) -> HvpkitError:
    return HvpkitError("results-unwritable", file=file, reason=error.strerror)
