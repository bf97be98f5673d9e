"""Runs of a plan as processes: started, watched epoch by epoch, stopped and killed (no torch)."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from hvpkit.errors import HvpkitError
from hvpkit.experiments.expand import PlannedRun
from hvpkit.experiments.plan import Plan
from hvpkit.experiments.results import Result
from hvpkit.experiments.worker import Job
from hvpkit.messages import Message
from hvpkit.utils.parallel import available_cores

log = logging.getLogger(__name__)
MODELS, PREDICTIONS, RECIPES, LOGS = "models", "predictions", "recipes", "logs"
Epoch = dict[str, Any]


@dataclass(frozen=True)
class Setup:
    """Where the runs of a plan live, how many go at a time, and the plugin files that they load."""

    folder: Path
    jobs: int = 1
    plugins: tuple[Path, ...] = ()


class RunFailed(HvpkitError):
    """A run failed; the others go on."""


class Shutdown(Exception):
    """The experiment is ending: nothing is started any more, and what goes on is killed."""


class RunInterrupted(Exception):
    """A run was stopped before its end because whoever watches its epochs said so."""


class Processes:
    """The worker processes of one experiment; none is left at the end of the block that they are opened in."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self._alive: set[subprocess.Popen[str]] = set()
        self._closed = False
        self._guard = threading.Lock()

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()

    def result(self, run: PlannedRun, plan: Plan, on_epoch: Callable[[Epoch], bool] | None = None) -> Result:
        """Do a run to its end; `on_epoch` is called with each epoch, and stops the run by returning False.

        Raises RunFailed with the reason, Stopped, and Ending.
        """
        folder = self.setup.folder
        for name in (RECIPES, LOGS):
            (folder / name).mkdir(exist_ok=True)
        recipe = folder / RECIPES / f"{run.name}.yaml"
        recipe.write_text(run.recipe, encoding="utf-8")
        job = Job(
            name=run.name,
            recipe=str(recipe),
            model=str(folder / MODELS / run.name),
            predictions=str(folder / PREDICTIONS / f"{run.name}.jsonl"),
            test=plan.score_split == "test" and plan.search is None,
            shuffled="shuffled-images" in plan.controls and not run.is_twin,
            start=str(folder / MODELS / run.start) if run.start else None,
            plugins=tuple(map(str, self.setup.plugins)),
        )
        log = folder / LOGS / f"{run.name}.log"
        fields = self._fields(job, log, on_epoch)
        return Result.model_validate({"run": run.model_dump(), **fields})

    def _fields(self, job: Job, log: Path, on_epoch: Callable[[Epoch], bool] | None) -> dict[str, Any]:
        with log.open("w", encoding="utf-8") as messages:
            process = self._start(messages)
            try:
                fields = _follow(process, job, on_epoch)
            finally:
                with self._guard:
                    self._alive.discard(process)
        if fields is None and self._closed:
            raise Shutdown
        if fields is None:
            raise RunFailed(_reason(log, process.returncode))
        return fields

    def _start(self, messages: Any) -> subprocess.Popen[str]:  # noqa: ANN401 - a file
        with self._guard:
            if self._closed:
                raise Shutdown
            process = subprocess.Popen(
                [sys.executable, "-m", "hvpkit.experiments.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=messages,
                text=True,
                encoding="utf-8",
                env=self._environment(),
                start_new_session=True,  # Ctrl-C reaches this process alone, which then ends the others
            )
            self._alive.add(process)
            return process

    def _environment(self) -> dict[str, str]:
        """Share the cores out among the jobs, unless the user did."""
        threads = max(1, available_cores() // self.setup.jobs)
        return {"OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"} | os.environ

    def kill(self) -> None:
        """End every process at once; nothing is started any more."""
        with self._guard:
            self._closed = True
            for process in self._alive:
                process.kill()


def _follow(process: subprocess.Popen[str], job: Job, on_epoch: Callable[[Epoch], bool] | None) -> dict[str, Any] | None:
    """Hand the job over and read what comes; gives the result's fields, None when there was none."""
    assert process.stdin is not None and process.stdout is not None  # noqa: S101 - pipes were asked for
    fields = None
    try:
        process.stdin.write(json.dumps(asdict(job)) + "\n")
        process.stdin.flush()
        for line in process.stdout:
            told = json.loads(line)
            if "result" in told:
                fields = told["result"]
            elif on_epoch is not None and not on_epoch(told):
                raise RunInterrupted
    except (BrokenPipeError, ValueError):  # it ended before it had heard, or said, all
        pass
    except BaseException:
        process.kill()
        raise
    finally:
        process.stdout.close()
        process.wait()
        with suppress(BrokenPipeError):
            process.stdin.close()
    return fields


def _reason(log: Path, code: int) -> Message:
    """Give the error that a run ended with, else its last line, or how it ended."""
    said = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    if code < 0:
        return Message("run-killed", signal=-code, log=log)
    if not said:
        return Message("run-silent", exit_code=code, log=log)
    reason = next((line.removeprefix("Error: ") for line in reversed(said) if line.startswith("Error: ")), said[-1])
    return Message("run-error", reason=reason, log=log)
