"""Doing the runs of a plan: each in a process of its own, several at a time, those that are done already left as they are (no torch)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from hvpkit.data.prepared import open_prepared
from hvpkit.errors import PlanError
from hvpkit.experiments.datasets import generate_dataset, require_prepared
from hvpkit.experiments.expand import Expansion, PlannedRun
from hvpkit.experiments.plan import Plan
from hvpkit.experiments.processes import Processes, RunFailed, Setup
from hvpkit.experiments.results import Header, Result, ResultsFile, open_results
from hvpkit.messages import Message
from hvpkit.utils.file_lock import exclusive_lock
from hvpkit.utils.progress import ProgressBar, progress

log = logging.getLogger(__name__)


def execute(plan: Plan, expansion: Expansion, setup: Setup) -> dict[str, str]:
    """Do what is not done yet, and keep each result as it comes; gives why each run that failed did.

    Raises DataError where data is missing, PlanError where the folder holds runs that differ from the plan's, or is being worked on.
    """
    for known in expansion.datasets.values():
        generate_dataset(known)
    require_prepared(list(expansion.datasets.values()))
    fingerprints = {name: open_prepared(known.folder).manifest.fingerprint for name, known in expansion.datasets.items()}
    taken = PlanError("experiment-locked", folder=setup.folder)
    with exclusive_lock(setup.folder / ".lock", taken):
        header = Header(plan, tuple(run.name for run in expansion.planned(plan)))
        results = open_results(setup.folder, header, expansion.runs, fingerprints)
        finished = {result.run.name for result in results.results}
        with Processes(setup) as processes, progress("runs", len(header.runs)) as bar:
            if plan.search is not None:
                from hvpkit.experiments.hyperparameter_search import SearchStudies

                return SearchStudies(plan, plan.search, results, processes, bar).run(expansion.runs)
            waiting = [run for run in expansion.runs if run.name not in finished]
            bar.advance(len(expansion.runs) - len(waiting))
            return _Schedule(plan, results, processes, bar).run(waiting, finished)


@dataclass
class _Schedule:
    """Runs whose start is there, in the plan's order, on a few threads that each watch one process."""

    plan: Plan
    results: ResultsFile
    processes: Processes
    bar: ProgressBar
    failed: dict[str, str] = field(default_factory=dict)

    def run(self, runs: Sequence[PlannedRun], finished: set[str]) -> dict[str, str]:
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
