"""How long the runs of a plan will take: from the rates of finished ones, or from a rule of thumb that says that it is one (no torch)."""

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

START = 8.0  # seconds until a process trains, and for scoring
CPU, GPU, SMALL = 0.3, 0.01, 0.004  # seconds an example and epoch: a BERT-base on two cores, on a GPU, a small encoder from scratch


@dataclass(frozen=True)
class TimeEstimate:
    """Runs in all, those still to do, seconds for these one after another, and what the estimate rests on."""

    runs: int
    remaining: int
    seconds: float
    basis: Message


def estimate_time(runs: Sequence[PlannedRun], datasets: dict[str, KnownDataset], results: Sequence[Result]) -> TimeEstimate:
    """Estimate the time of the runs that are not finished."""
    done = {result.run.name for result in results}
    left = [run for run in runs if run.name not in done]
    rates = _Rates(results, datasets)
    seconds = sum(START + rates.of(run) * _work(run, datasets[run.dataset]) for run in left)
    return TimeEstimate(len(runs), len(left), seconds, rates.basis)


class _Rates:
    """Seconds an example and epoch: of the same system on the same data, else of all finished runs, else the rule's."""

    def __init__(self, results: Sequence[Result], datasets: dict[str, KnownDataset]) -> None:
        self._rates: dict[tuple[str, str], list[float]] = {}
        for result in results:
            if result.run.dataset in datasets and result.seconds and result.trial is None:
                rate = result.seconds / _work(result.run, datasets[result.run.dataset])
                self._rates.setdefault((result.run.system, result.run.dataset), []).append(rate)
        measured = sum(map(len, self._rates.values()))
        assumed = Message("estimate-assumed", start=START, cpu=CPU, gpu=GPU, small=SMALL)
        self.basis = Message("estimate-measured", runs=measured) if measured else assumed

    def of(self, run: PlannedRun) -> float:
        same = self._rates.get((run.system, run.dataset))
        if same or self._rates:
            return statistics.median(same or [rate for rates in self._rates.values() for rate in rates])
        if parse(run.recipe).value["text"]["encoder"] != "hugging-face":
            return SMALL
        return GPU if _has_gpu() else CPU


def _work(run: PlannedRun, data: KnownDataset) -> float:
    """Count the examples that a run sees in all of its epochs."""
    epochs: int = parse(run.recipe).value["train"]["epochs"]
    drawn = run.shots * data.classes if run.shots else run.share * data.examples
    return max(1.0, min(drawn, data.examples)) * epochs


@cache
def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def duration(seconds: float) -> str:
    """Write seconds for people: `45 s`, `12 min`, `3 h 20 min`."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
