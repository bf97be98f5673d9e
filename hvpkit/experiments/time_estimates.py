"""Estimate the time of the runs of a plan, from finished runs or from default rates."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from hvpkit.config.yaml_reader import parse
from hvpkit.experiments.datasets import KnownDataset
from hvpkit.experiments.expand import PlannedRun
from hvpkit.experiments.results import Result
from hvpkit.messages import Message

START = 8.0  # seconds to start a process and to score its model
# seconds per example and epoch: BERT-base on two cores, BERT-base on a GPU, a small encoder from scratch
CPU, GPU, SMALL = 0.3, 0.01, 0.004


@dataclass(frozen=True)
class TimeEstimate:
    """Estimated time of an experiment.

    Attributes:
        runs: Number of runs of the plan.
        remaining: Number of runs that are not finished.
        seconds: Seconds for the remaining runs, one after another.
        basis: Message that names the source of the estimate.
    """

    runs: int
    remaining: int
    seconds: float
    basis: Message


def estimate_time(
    runs: Sequence[PlannedRun], datasets: dict[str, KnownDataset], results: Sequence[Result]
) -> TimeEstimate:
    """Estimate the time of the runs that are not finished.

    Args:
        runs: Runs of the plan.
        datasets: Datasets of the plan, by name.
        results: Results of finished runs.
    """
    finished = {result.run.name for result in results}
    left = [run for run in runs if run.name not in finished]
    rates = _Rates(results, datasets)
    seconds = sum(START + rates.get(run) * _work(run, datasets[run.dataset]) for run in left)
    return TimeEstimate(len(runs), len(left), seconds, rates.basis)


class _Rates:
    """Seconds per example and epoch: median of the same system and data, else of all finished runs, else a default."""

    def __init__(self, results: Sequence[Result], datasets: dict[str, KnownDataset]) -> None:
        self._rates: dict[tuple[str, str], list[float]] = {}
        for result in results:
            if result.run.dataset in datasets and result.seconds and result.trial is None:
                rate = result.seconds / _work(result.run, datasets[result.run.dataset])
                self._rates.setdefault((result.run.system, result.run.dataset), []).append(rate)
        measured = sum(map(len, self._rates.values()))
        assumed = Message("estimate-assumed", start=START, cpu=CPU, gpu=GPU, small=SMALL)
        self.basis = Message("estimate-measured", runs=measured) if measured else assumed

    def get(self, run: PlannedRun) -> float:
        same = self._rates.get((run.system, run.dataset))
        if same or self._rates:
            return statistics.median(same or [rate for rates in self._rates.values() for rate in rates])
        if parse(run.recipe).value["text"]["encoder"] != "hugging-face":
            return SMALL
        return GPU if _has_gpu() else CPU


def _work(run: PlannedRun, data: KnownDataset) -> float:
    """Return the number of examples that a run trains on in all of its epochs."""
    epochs: int = parse(run.recipe).value["train"]["epochs"]
    examples = run.shots * data.classes if run.shots else run.fraction * data.examples
    return max(1.0, min(examples, data.examples)) * epochs


@cache
def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def duration(seconds: float) -> str:
    """Format seconds as `45 s`, `12 min` or `3 h 20 min`."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
