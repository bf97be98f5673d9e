"""Execute the runs of a plan: one process per run, several at a time; finished runs are not repeated."""

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


def execute(plan: Plan, expansion: Expansion, setup: Setup) -> dict[str, Message]:
    """Execute the unfinished runs of a plan and write each result as soon as its run has finished.

    Args:
        plan: The plan.
        expansion: Its runs and datasets.
        setup: Folder, number of parallel jobs and plugins.

    Returns:
        Reason of each failed run, by run name.

    Raises:
        DataError: "dataset-unprepared" or "dataset-differs" if data is missing or other than the plan's.
        PlanError: "experiment-locked" if another process uses the folder, and the codes of `read_results`.
        InputError: "run-mismatch" if the folder contains runs that differ from the plan's, "search-needs-optuna" if
            the plan is a search and Optuna is not installed.
    """
    for known in expansion.datasets.values():
        generate_dataset(known)
    require_prepared(list(expansion.datasets.values()))
    fingerprints = {
        name: open_prepared(known.folder).manifest.fingerprint for name, known in expansion.datasets.items()
    }
    locked = PlanError("experiment-locked", folder=setup.folder)
    with exclusive_lock(setup.folder / ".lock", locked):
        header = Header(plan, tuple(run.name for run in expansion.runs_and_trials(plan)))
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
    """Execute runs in the plan's order, each after the run that it starts from; each thread watches one process."""

    plan: Plan
    results: ResultsFile
    processes: Processes
    bar: ProgressBar
    failed: dict[str, Message] = field(default_factory=dict)

    def run(self, runs: Sequence[PlannedRun], finished: set[str]) -> dict[str, Message]:
        waiting = list(runs)
        running: dict[Future[Result], PlannedRun] = {}
        with ThreadPoolExecutor(self.processes.setup.jobs) as pool:
            try:
                while waiting or running:
                    ready = [run for run in waiting if run.start is None or run.start in finished]
                    for run in ready[: self.processes.setup.jobs - len(running)]:
                        waiting.remove(run)
                        running[pool.submit(self.processes.result, run, self.plan)] = run
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        self._handle_end(running.pop(future), future, finished)
                    waiting = self._drop_without_start(waiting)
            except BaseException:
                self.processes.kill()
                raise
        return self.failed

    def _drop_without_start(self, waiting: list[PlannedRun]) -> list[PlannedRun]:
        """Mark runs as failed if the run that they start from failed; return the others."""
        dropped = [run for run in waiting if run.start in self.failed]
        for run in dropped:
            self._fail(run, Message("start-failed", run=run.start))
        return [run for run in waiting if run not in dropped]

    def _handle_end(self, run: PlannedRun, future: Future[Result], finished: set[str]) -> None:
        try:
            result = future.result()
        except RunFailed as error:
            self._fail(run, error.message)
            return
        self.results.add(result)
        finished.add(run.name)
        self.bar.advance()
        score = result.test or result.dev
        if score is None:
            log.info(Message("run-done", run=run.name, seconds=result.seconds))
        else:
            split = "test" if result.test else "dev"
            log.info(Message("run-scored", run=run.name, split=split, f1=100 * score.f1, seconds=result.seconds))

    def _fail(self, run: PlannedRun, reason: Message) -> None:
        self.failed[run.name] = reason
        self.bar.advance()
        log.warning(Message("run-failed", run=run.name, reason=reason))
