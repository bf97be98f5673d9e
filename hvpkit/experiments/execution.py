"""Doing the runs of a plan: each in a process of its own, several at a time, those that are done already left as they are (no torch)."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from hvpkit.alone import alone
from hvpkit.data.prepared import open_prepared
from hvpkit.errors import HvpkitError, PlanError
from hvpkit.experiments.datasets import draw, require_prepared
from hvpkit.experiments.expansion import Expansion, PlannedRun
from hvpkit.experiments.plan import Plan
from hvpkit.experiments.results import Header, Result, ResultsFile, open_results
from hvpkit.experiments.worker import Job
from hvpkit.messages import Message
from hvpkit.progress import ProgressBar, progress
from hvpkit.workers import cores

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


class Ending(Exception):
    """The experiment is ending: nothing is started any more, and what goes on is killed."""


class Stopped(Exception):
    """A run was stopped before its end because whoever watches its epochs said so."""


def execute(plan: Plan, expansion: Expansion, setup: Setup) -> dict[str, str]:
    """Do what is not done yet, and keep each result as it comes; gives why each run that failed did.

    Raises DataError where data is missing, PlanError where the folder holds runs that differ from the plan's, or is being worked on.
    """
    for known in expansion.datasets.values():
        draw(known)
    require_prepared(list(expansion.datasets.values()))
    fingerprints = {name: open_prepared(known.folder).manifest.fingerprint for name, known in expansion.datasets.items()}
    taken = PlanError("experiment-locked", folder=setup.folder)
    with alone(setup.folder / ".lock", taken):
        header = Header(plan, tuple(run.name for run in expansion.planned(plan)))
        results = open_results(setup.folder, header, expansion.runs, fingerprints)
        finished = {result.run.name for result in results.results}
        with Processes(setup) as processes, progress("runs", len(header.runs)) as bar:
            if plan.search is not None:
                from hvpkit.experiments.search import Studies

                return Studies(plan, plan.search, results, processes, bar).go(expansion.runs)
            waiting = [run for run in expansion.runs if run.name not in finished]
            bar.advance(len(expansion.runs) - len(waiting))
            return _Schedule(plan, results, processes, bar).go(waiting, finished)


@dataclass
class _Schedule:
    """Runs whose start is there, in the plan's order, on a few threads that each watch one process."""

    plan: Plan
    results: ResultsFile
    processes: Processes
    bar: ProgressBar
    failed: dict[str, str] = field(default_factory=dict)

    def go(self, runs: Sequence[PlannedRun], finished: set[str]) -> dict[str, str]:
        waiting, going = list(runs), {}  # type: tuple[list[PlannedRun], dict[Future[Result], PlannedRun]]
        with ThreadPoolExecutor(self.processes.setup.jobs) as pool:
            try:
                while waiting or going:
                    ready = [run for run in waiting if run.start is None or run.start in finished]
                    for run in ready[: self.processes.setup.jobs - len(going)]:
                        waiting.remove(run)
                        going[pool.submit(self.processes.result, run, self.plan)] = run
                    for future in wait(going, return_when=FIRST_COMPLETED).done:
                        self._ended(going.pop(future), future, finished)
                    waiting = self._without_start(waiting)
            except BaseException:
                self.processes.kill()
                raise
        return self.failed

    def _without_start(self, waiting: list[PlannedRun]) -> list[PlannedRun]:
        """Give up runs whose start failed."""
        lost = [run for run in waiting if run.start in self.failed]
        for run in lost:
            self._fail(run, Message("start-failed", run=run.start))
        return [run for run in waiting if run not in lost]

    def _ended(self, run: PlannedRun, future: Future[Result], finished: set[str]) -> None:
        try:
            result = future.result()
        except RunFailed as error:
            self._fail(run, error.message)
            return
        self.results.add(result)
        finished.add(run.name)
        self.bar.advance()
        shown = result.test or result.dev
        if shown is None:
            log.info(Message("run-done", run=run.name, seconds=result.seconds))
        else:
            split = "test" if result.test else "dev"
            log.info(Message("run-scored", run=run.name, split=split, f1=100 * shown.f1, seconds=result.seconds))

    def _fail(self, run: PlannedRun, reason: Message) -> None:
        self.failed[run.name] = reason
        self.bar.advance()
        log.warning(Message("run-failed", run=run.name, reason=reason))


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

    def result(self, run: PlannedRun, plan: Plan, watch: Callable[[Epoch], bool] = lambda epoch: True) -> Result:
        """Do a run to its end; `watch` is told each epoch and may stop it by giving False.

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
            test=plan.score == "test" and plan.search is None,
            shuffled="shuffled" in plan.controls and not run.is_twin,
            start=str(folder / MODELS / run.start) if run.start else None,
            plugins=tuple(map(str, self.setup.plugins)),
        )
        log = folder / LOGS / f"{run.name}.log"
        fields = self._fields(job, log, watch)
        return Result.model_validate({"run": run.model_dump(), **fields})

    def _fields(self, job: Job, log: Path, watch: Callable[[Epoch], bool]) -> dict[str, Any]:
        with log.open("w", encoding="utf-8") as messages:
            process = self._start(messages)
            try:
                fields = _follow(process, job, watch)
            finally:
                with self._guard:
                    self._alive.discard(process)
        if fields is None and self._closed:
            raise Ending
        if fields is None:
            raise RunFailed(_reason(log, process.returncode))
        return fields

    def _start(self, messages: Any) -> subprocess.Popen[str]:  # noqa: ANN401 - a file
        with self._guard:
            if self._closed:
                raise Ending
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
        threads = max(1, cores() // self.setup.jobs)
        return {"OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"} | os.environ

    def kill(self) -> None:
        """End every process at once; nothing is started any more."""
        with self._guard:
            self._closed = True
            for process in self._alive:
                process.kill()


def _follow(process: subprocess.Popen[str], job: Job, watch: Callable[[Epoch], bool]) -> dict[str, Any] | None:
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
            elif not watch(told):
                raise Stopped
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
