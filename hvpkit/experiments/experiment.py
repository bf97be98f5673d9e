"""An experiment: a plan, its runs, and the folder of its results."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hvpkit.data.prepared import open_prepared
from hvpkit.experiments.expand import Expansion, expand
from hvpkit.experiments.plan import Plan, load_plan
from hvpkit.experiments.processes import Setup
from hvpkit.experiments.results import existing_results
from hvpkit.experiments.scheduler import execute
from hvpkit.experiments.time_estimates import TimeEstimate, estimate_time
from hvpkit.messages import Message
from hvpkit.registry import load_registry

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Experiment:
    """A plan with its runs.

    Attributes:
        plan: The plan.
        expansion: Runs and datasets of the plan.
        folder: Folder of runs and results.
        plugins: Plugin files that the runs load.
        estimate: Estimated time of the runs that are not finished.
    """

    plan: Plan
    expansion: Expansion
    folder: Path
    plugins: tuple[Path, ...]
    estimate: TimeEstimate

    def run(self, jobs: int = 1) -> dict[str, Message]:
        """Execute the unfinished runs.

        Args:
            jobs: Number of runs at a time.

        Returns:
            Reason of each failed run, by run name.

        Raises:
            HvpkitError: Codes of `execute`.
        """
        return execute(self.plan, self.expansion, Setup(self.folder, jobs, self.plugins))


def open_experiment(
    plan: str, settings: Sequence[str] = (), folder: Path | None = None, plugins: Sequence[Path] = ()
) -> Experiment:
    """Load a plan, expand it into runs and estimate their time; combinations that are left out are logged.

    Args:
        plan: Plan file, or the name of a shipped plan.
        settings: Settings of the plan, such as `seeds=[1,2]`.
        folder: Folder of runs and results; None: `experiments/<plan>`.
        plugins: Plugin files to load.

    Raises:
        PlanError: If the plan is invalid, or the folder has results of a different plan.
    """
    loaded = load_plan(plan, settings)
    expansion = expand(loaded, load_registry(plugins))
    for reason in expansion.skipped:
        log.warning(Message("left-out-of-plan", reason=reason))
    target = folder or Path("experiments") / Path(plan).stem
    return Experiment(loaded, expansion, target, tuple(plugins), _estimate_remaining(loaded, expansion, target))


def _estimate_remaining(plan: Plan, expansion: Expansion, folder: Path) -> TimeEstimate:
    prepared = {name: dataset.folder for name, dataset in expansion.datasets.items() if dataset.is_prepared}
    fingerprints = {name: open_prepared(path).manifest.fingerprint for name, path in prepared.items()}
    results = existing_results(folder, {run.name: run for run in expansion.runs}, fingerprints)
    return estimate_time(expansion.runs_and_trials(plan), expansion.datasets, results)
