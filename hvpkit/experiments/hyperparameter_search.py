"""Hyperparameter search on dev F1 with Optuna: one study per system and dataset, resumable from the results file."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from hvpkit.errors import InputError, RecipeError
from hvpkit.experiments.expand import PlannedRun, trial_name, with_settings
from hvpkit.experiments.plan import Axis, Plan, Search
from hvpkit.experiments.processes import MODELS, Epoch, Processes, RunFailed, RunInterrupted
from hvpkit.experiments.results import DataInfo, Result, ResultsFile, Trial
from hvpkit.messages import Message
from hvpkit.utils.progress import ProgressBar

log = logging.getLogger(__name__)


def require_optuna() -> Any:  # noqa: ANN401 - a module
    """Import Optuna.

    Raises:
        InputError: "search-needs-optuna" if it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise InputError("search-needs-optuna") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


@dataclass(frozen=True)
class SearchStudies:
    """The studies of a plan.

    Attributes:
        plan: The plan.
        search: Its search space and number of trials.
        results: Results file; its trials are not repeated.
        processes: Worker processes.
        bar: Progress bar, advanced once per trial.
    """

    plan: Plan
    search: Search
    results: ResultsFile
    processes: Processes
    bar: ProgressBar

    def run(self, runs: Sequence[PlannedRun]) -> dict[str, Message]:
        """Execute the remaining trials of every study, `jobs` studies at a time.

        Returns:
            Reason of each failed trial, by its name.

        Raises:
            InputError: "run-mismatch" if a trial was run with another recipe or other plugins, "search-needs-optuna"
                if Optuna is not installed.
        """
        require_optuna()
        with ThreadPoolExecutor(self.processes.setup.jobs) as pool:
            futures = [pool.submit(self._study, run) for run in runs]
            try:
                return {name: reason for future in futures for name, reason in future.result().items()}
            except BaseException:
                self.processes.kill()
                raise

    def _study(self, run: PlannedRun) -> dict[str, Message]:
        optuna = require_optuna()
        pruner = optuna.pruners.MedianPruner(n_startup_trials=3) if self.search.prune else optuna.pruners.NopPruner()
        study = optuna.create_study(direction="maximize", pruner=pruner)
        finished = {result.run.name: result for result in self.results.results if result.trial}
        failed: dict[str, Message] = {}
        for number in range(self.search.trials):
            name = trial_name(run, number)
            study.sampler = optuna.samplers.TPESampler(
                seed=run.seed * 10_007 + number
            )  # by trial: resuming changes nothing
            trial = study.ask()
            settings = {key: _suggest(trial, key, axis) for key, axis in self.search.space.items()}
            try:
                result = self._result(with_settings(run, name, settings), finished.get(name), number, settings, trial)
            except (RunFailed, RecipeError) as error:
                failed[name] = error.message
                log.warning(Message("run-failed", run=name, reason=error.message))
                result = None
            _report(optuna, study, trial, result)
            self.bar.advance()
        return failed

    def _result(
        self,
        run: PlannedRun,
        finished: Result | None,
        number: int,
        settings: dict[str, Any],
        trial: Any,  # noqa: ANN401 - Optuna's trial
    ) -> Result:
        """Return the result of a finished trial, or run the trial."""
        if finished is None:
            result = self._run_trial(run, number, settings, trial)
            self.results.add(result)
            log.info(_summary(result))
            return result
        run.check_finished(finished.run, self.processes.setup.folder)
        for epoch, f1 in (finished.trial.epochs if finished.trial else {}).items():
            trial.report(f1, int(epoch))
        return finished

    def _run_trial(
        self,
        run: PlannedRun,
        number: int,
        settings: dict[str, Any],
        trial: Any,  # noqa: ANN401 - Optuna's trial
    ) -> Result:
        """Run one trial from the beginning; its model is deleted."""
        epochs: dict[str, float] = {}

        def on_epoch(epoch: Epoch) -> bool:
            if epoch["dev"] is None:
                return True
            epochs[str(epoch["epoch"])] = epoch["dev"]
            trial.report(epoch["dev"], epoch["epoch"])
            return not (self.search.prune and epoch["epoch"] < epoch["epochs"] and trial.should_prune())

        self._clear(run)
        try:
            result = self.processes.result(run, self.plan, on_epoch)
            return result.model_copy(update={"trial": Trial(number=number, settings=settings, epochs=epochs)})
        except RunInterrupted:
            pruned = Trial(number=number, settings=settings, epochs=epochs, pruned=True)
            return Result(run=run, data=_no_data(run), encoder="", trial=pruned)
        finally:
            self._clear(run)

    def _clear(self, run: PlannedRun) -> None:
        for name in (run.name, f"{run.name}.training"):
            shutil.rmtree(self.processes.setup.folder / MODELS / name, ignore_errors=True)


def _suggest(trial: Any, key: str, axis: Axis) -> Any:  # noqa: ANN401 - Optuna's trial, a setting's value
    if axis.values is not None:
        return trial.suggest_categorical(key, axis.values)
    suggest: Callable[..., Any] = (
        trial.suggest_int if isinstance(axis.low, int) and isinstance(axis.high, int) else trial.suggest_float
    )
    return suggest(key, axis.low, axis.high, log=axis.log)


def _report(optuna: Any, study: Any, trial: Any, result: Result | None) -> None:  # noqa: ANN401 - Optuna's types
    if result is not None and result.trial is not None and result.trial.pruned:
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    elif result is None or result.dev is None:
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
    else:
        study.tell(trial, result.dev.f1)


def _summary(result: Result) -> Message:
    settings = [f"{key}={value}" for key, value in result.run.settings.items()]
    if result.dev is None:
        return Message("trial-pruned", run=result.run.name, settings=settings)
    return Message("trial-scored", run=result.run.name, f1=100 * result.dev.f1, settings=settings)


def _no_data(run: PlannedRun) -> DataInfo:
    return DataInfo(name=run.dataset, fingerprint="", examples={}, with_image={})
