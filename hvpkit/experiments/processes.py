"""Worker processes of an experiment: start, follow, stop and kill them."""

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
from hvpkit.messages import Message, message_from_json
from hvpkit.utils.parallel import available_cores

log = logging.getLogger(__name__)
MODELS, PREDICTIONS, RECIPES, LOGS = "models", "predictions", "recipes", "logs"
Epoch = dict[str, Any]


@dataclass(frozen=True)
class Setup:
    """Settings for the execution of a plan.

    Attributes:
        folder: Folder of the experiment.
        jobs: Number of runs at a time.
        plugins: Plugin files that the runs load.
    """

    folder: Path
    jobs: int = 1
    plugins: tuple[Path, ...] = ()


class RunFailed(HvpkitError):
    """A run failed; the other runs continue."""


class Shutdown(Exception):
    """The experiment is ending: no run is started, and running processes are killed."""


class RunInterrupted(Exception):
    """A run was stopped early on request, e.g. by the pruner of a search."""


class Processes:
    """Worker processes of one experiment, as a context manager that kills them at its end.

    Args:
        setup: Folder, number of parallel jobs and plugins.
    """

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self._alive: set[subprocess.Popen[str]] = set()
        self._closed = False
        self._guard = threading.Lock()

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def result(self, run: PlannedRun, plan: Plan, on_epoch: Callable[[Epoch], bool] | None = None) -> Result:
        """Execute a run in a process of its own.

        Args:
            run: The run.
            plan: Its plan.
            on_epoch: Called with the fields of each epoch; stops the run by returning False.

        Raises:
            RunFailed: "run-error", "run-killed" or "run-silent" if the run failed.
            RunInterrupted: If `on_epoch` returned False.
            Shutdown: If the experiment is ending.
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
            shuffled="shuffled-images" in plan.controls and not run.is_control,
            start=str(folder / MODELS / run.start) if run.start else None,
            plugins=tuple(map(str, self.setup.plugins)),
        )
        log_file = folder / LOGS / f"{run.name}.log"
        fields = self._fields(job, log_file, on_epoch)
        return Result.model_validate({"run": run.model_dump(), **fields})

    def _fields(self, job: Job, log_file: Path, on_epoch: Callable[[Epoch], bool] | None) -> dict[str, Any]:
        with log_file.open("w", encoding="utf-8") as messages:
            process = self._start(messages)
            log.debug(Message("run-started", run=job.name, process=process.pid, log=log_file))
            try:
                last = _follow(process, job, on_epoch)
            finally:
                with self._guard:
                    self._alive.discard(process)
        if "result" in last:
            fields: dict[str, Any] = last["result"]
            return fields
        if self._closed:
            raise Shutdown
        if "error" in last:
            raise RunFailed("run-error", reason=message_from_json(last["error"]), log=log_file)
        raise RunFailed(_reason(log_file, process.returncode))

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
                start_new_session=True,  # Ctrl-C reaches only the parent, which then kills the workers
            )
            self._alive.add(process)
            return process

    def _environment(self) -> dict[str, str]:
        """Divide the cores among the jobs unless the environment sets the number of threads."""
        threads = max(1, available_cores() // self.setup.jobs)
        return {"OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"} | os.environ

    def kill(self) -> None:
        """Kill all processes; no other is started afterwards."""
        with self._guard:
            self._closed = True
            for process in self._alive:
                process.kill()


def _follow(process: subprocess.Popen[str], job: Job, on_epoch: Callable[[Epoch], bool] | None) -> dict[str, Any]:
    """Send the job to a worker and read its output.

    Returns:
        Fields of the result under "result", or the message of the error under "error"; empty without both.
    """
    assert process.stdin is not None and process.stdout is not None  # noqa: S101 - pipes were asked for
    last: dict[str, Any] = {}
    try:
        process.stdin.write(json.dumps(asdict(job)) + "\n")
        process.stdin.flush()
        for line in process.stdout:
            message = json.loads(line)
            if "result" in message or "error" in message:
                last = message
            elif on_epoch is not None and not on_epoch(message):
                raise RunInterrupted
    except (BrokenPipeError, ValueError):  # the worker ended before it had read the job or written its result
        pass
    except BaseException:
        process.kill()
        raise
    finally:
        process.stdout.close()
        process.wait()
        with suppress(BrokenPipeError):
            process.stdin.close()
    return last


def _reason(log_file: Path, code: int) -> Message:
    """Return the last line in the log of a run that failed unexpectedly, else how the process ended."""
    lines = [line for line in log_file.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    if code < 0:
        return Message("run-killed", signal=-code, log=log_file)
    if not lines:
        return Message("run-silent", exit_code=code, log=log_file)
    return Message("run-error", reason=lines[-1], log=log_file)
