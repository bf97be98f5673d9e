"""Results of finished runs: `results.jsonl` with a header line and one line per run.

A line is written completely or removed again, so a full disk or a killed process never damages earlier results.
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
from hvpkit.utils.atomic_write import atomic_file

FORMAT = 2
FILE = "results.jsonl"


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class RunScore(_Record):
    """Micro-averaged scores of one run on one split.

    Attributes:
        precision: Precision, 0..1.
        recall: Recall, 0..1.
        f1: F1, 0..1.
    """

    precision: float
    recall: float
    f1: float


class Outcomes(_Record):
    """Counts per test example, in the order of the data; the paired bootstrap resamples them.

    Attributes:
        correct: Number of correct predictions of each example.
        predicted: Number of predictions of each example.
        gold: Number of gold labels of each example.
    """

    correct: list[int]
    predicted: list[int]
    gold: list[int]


class DataInfo(_Record):
    """The data of a run.

    Attributes:
        name: Name of the dataset.
        fingerprint: Fingerprint of the prepared data; empty for a pruned trial.
        examples: Number of examples by split.
        images: Number of examples by split whose image the model used.
    """

    name: str
    fingerprint: str
    examples: dict[str, int]
    with_image: dict[str, int]


class Trial(_Record):
    """One trial of a hyperparameter search.

    Attributes:
        number: Number of the trial, from 0.
        settings: Values that the trial tried, by recipe key.
        epochs: Dev F1, 0..1, by epoch number.
        pruned: Whether the trial was stopped early.
    """

    number: int
    settings: dict[str, Any]
    epochs: dict[str, float]
    pruned: bool = False


class Result(_Record):
    """Result of one finished run.

    Attributes:
        run: The run as planned.
        data: The data that it was trained on.
        encoder: Name of the pretrained text encoder.
        backbone: Name of the visual backbone; None for a text-only model.
        weights: Weights of the backbone; None for a text-only model.
        notes: Notes on the run.
        best_epoch: Epoch of the selected checkpoint, from 1.
        dev: Scores on dev; None without a dev split.
        test: Scores on test; None if test was not scored.
        shuffled: Scores on test with shuffled images; None if the plan has no such control.
        outcomes: Counts per test example; None if test was not scored per example.
        trial: The trial of a search; None otherwise.
        seconds: Training time in seconds.
    """

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
    """First line of a results file.

    Attributes:
        plan: The plan of the experiment.
        runs: Names of all runs of the plan, in its order.
    """

    plan: Plan
    runs: tuple[str, ...]

    def line(self) -> str:
        """Return the header as one JSON line."""
        plan = self.plan.model_dump(mode="json", by_alias=True)
        return json.dumps({"format": FORMAT, "hvpkit": version("hvpkit"), "plan": plan, "runs": self.runs}) + "\n"


def read_results(folder: Path) -> tuple[Header, list[Result]]:
    """Read the results of a folder: the last line of each run; an incomplete last line is skipped.

    Raises:
        PlanError: "results-missing" or "results-empty" if there are none, "results-format" if another version wrote
            them, "results-header-damaged" or "results-line-damaged" if a line cannot be read.
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
        values = json.loads(line)
        wrong = values["format"] != FORMAT
        if not wrong:
            return Header(Plan.model_validate_json(json.dumps(values["plan"])), tuple(values["runs"]))
    except (ValueError, KeyError, TypeError) as error:
        raise PlanError("results-header-damaged", file=file, reason=str(error).splitlines()[0]) from error
    writer, reader = values.get("hvpkit"), version("hvpkit")
    raise PlanError("results-format", file=file, found=values["format"], writer=writer, reader=reader, expected=FORMAT)


class ResultsFile:
    """Results file of a running experiment.

    Args:
        folder: Folder of the experiment.
        header: Plan and run names, for the first line.
        results: Results of an earlier start, which are kept.

    Raises:
        HvpkitError: "results-unwritable" if the file cannot be written.
    """

    def __init__(self, folder: Path, header: Header, results: Sequence[Result]) -> None:
        self.file, self.results, self._guard = folder / FILE, list(results), threading.Lock()
        try:
            with atomic_file(self.file) as draft:
                draft.write_text(header.line() + "".join(_line(result) for result in self.results), encoding="utf-8")
        except OSError as error:
            raise _unwritable(self.file, error) from error

    def add(self, result: Result) -> None:
        """Append a result, completely or not at all.

        Raises:
            HvpkitError: "results-unwritable" if the file cannot be written.
        """
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
    """Open the results of a folder to add to them, or start a new results file.

    Args:
        folder: Folder of the experiment.
        header: Plan and run names, for the first line.
        runs: Runs of the plan.
        fingerprints: Fingerprint of the prepared data by dataset name.

    Raises:
        InputError: "run-mismatch" if a run of the plan was trained with another recipe, other plugins or other data.
        PlanError: Codes of `read_results`.
    """
    planned = {run.name: run for run in runs}
    return ResultsFile(
        folder,
        header,
        [_with_planned_run(result, planned) for result in existing_results(folder, planned, fingerprints)],
    )


def existing_results(folder: Path, planned: Mapping[str, PlannedRun], fingerprints: Mapping[str, str]) -> list[Result]:
    """Read the results that a folder already contains; empty if there is no results file.

    Args:
        folder: Folder of the experiment.
        planned: Runs of the plan by name.
        fingerprints: Fingerprint of the prepared data by dataset name.

    Raises:
        InputError: "run-mismatch" if a run of the plan was trained with another recipe, other plugins or other data.
        PlanError: Codes of `read_results`.
    """
    results = read_results(folder)[1] if (folder / FILE).is_file() else []
    for result in results:
        run, data = planned.get(result.run.name, result.run), result.data.fingerprint
        current = fingerprints.get(result.run.dataset, data) if data else ""
        run.check_finished(result.run, folder, current, data)
    return results


def _with_planned_run(result: Result, planned: dict[str, PlannedRun]) -> Result:
    """Replace the run of an earlier result by that of the current plan; its controls may have changed."""
    return result.model_copy(update={"run": planned.get(result.run.name, result.run)})


def _line(result: Result) -> str:
    return result.model_dump_json() + "\n"


def _unwritable(file: Path, error: OSError) -> HvpkitError:
    return HvpkitError("results-unwritable", file=file, reason=error.strerror)
