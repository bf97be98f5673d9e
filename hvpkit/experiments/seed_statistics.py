"""What differences between systems are worth: intervals over seeds, and the paired bootstrap over test examples."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hvpkit.experiments.results import Outcomes
from hvpkit.messages import Message

SAMPLES = 2000
CHUNK = 200  # resamples at a time, to bound memory
CONFIDENCE = 0.95


@dataclass(frozen=True)
class SeedStatistics:
    """A score over seeds: mean, sample standard deviation, and the interval (Student's t) that holds the mean of all seeds with 95%
    confidence; without spread and interval where there is one seed."""

    mean: float
    values: tuple[float, ...]
    spread: float | None = None
    low: float | None = None
    high: float | None = None


def seed_statistics(values: Sequence[float]) -> SeedStatistics:
    """Summarise one score a seed, at least one."""
    mean = statistics.fmean(values)
    if len(values) == 1:
        return SeedStatistics(mean, tuple(values))
    from scipy.stats import t

    spread = statistics.stdev(values)
    half = float(t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * spread / len(values) ** 0.5
    return SeedStatistics(mean, tuple(values), spread, mean - half, mean + half)


@dataclass(frozen=True)
class Difference:
    """F1 of one system less that of another, both 0..1: `low` and `high` bound it with 95% confidence over test examples, `p` is the
    two-sided level at which it would not be told from none; `seed_spread` is the larger of their standard deviations over seeds."""

    difference: float
    low: float | None
    high: float | None
    p: float | None
    seed_spread: float | None

    @property
    def warning(self) -> Message | None:
        """Say when seeds alone could have made the difference."""
        if self.seed_spread is None:
            return Message("difference-of-one-seed")
        if abs(self.difference) < self.seed_spread:
            return Message("difference-within-spread", spread=100 * self.seed_spread)
        return None


def compare(one: SeedStatistics, other: SeedStatistics, paired: tuple[Sequence[Outcomes], Sequence[Outcomes]] | None) -> Difference:
    """Compare two systems; `paired` are their outcomes by seed on the same test examples, where these are known."""
    spreads = [score.spread for score in (one, other) if score.spread is not None]
    spread = max(spreads) if len(spreads) == 2 else None
    low, high, p = paired_bootstrap(*paired) if paired else (None, None, None)
    return Difference(one.mean - other.mean, low, high, p, spread)


def paired_bootstrap(
    one: Sequence[Outcomes], other: Sequence[Outcomes], samples: int = SAMPLES, seed: int = 0
) -> tuple[float, float, float]:
    """Resample test examples, the same for both systems and all of their seeds; the statistic is the difference of mean F1.

    Gives the 95% interval (percentiles) and the two-sided p value (Efron and Tibshirani 1993; paired as in Berg-Kirkpatrick et al.
    2012, "An empirical investigation of statistical significance in NLP"). Raises ValueError for different test sets.
    """
    import numpy as np

    counts = [_counts(each) for each in (*one, *other)]  # [3, n] a run
    sizes = {each.shape[1] for each in counts}
    if len(sizes) != 1:
        raise ValueError(f"systems were scored on test sets of {sorted(sizes)} examples; a paired comparison needs one")
    stacked = np.concatenate(counts).T.astype(float)  # [n, 3 * runs]
    chance, n = np.random.default_rng(seed), sizes.pop()
    found = []
    for begin in range(0, samples, CHUNK):
        weights = chance.multinomial(n, np.full(n, 1 / n), size=min(CHUNK, samples - begin))
        f1 = _f1((weights @ stacked).reshape(len(weights), -1, 3))
        found.append(f1[:, : len(one)].mean(1) - f1[:, len(one) :].mean(1))
    differences = np.concatenate(found)
    low, high = np.quantile(differences, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    tail = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    return float(low), float(high), min(1.0, 2 * (tail + 1) / (samples + 1))


def _counts(outcomes: Outcomes) -> Any:  # noqa: ANN401 - an array
    import numpy as np

    return np.array([outcomes.correct, outcomes.predicted, outcomes.gold])


def _f1(totals: Any) -> Any:  # noqa: ANN401 - arrays: [samples, runs, 3] -> [samples, runs]
    import numpy as np

    asked = totals[..., 1] + totals[..., 2]
    return np.divide(2 * totals[..., 0], asked, out=np.zeros_like(asked), where=asked > 0)
