"""Confidence intervals over seeds, and the paired bootstrap over test examples."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hvpkit.experiments.results import Outcomes
from hvpkit.messages import Message

if TYPE_CHECKING:
    from hvpkit.utils.bootstrap import Array

CONFIDENCE = 0.95


@dataclass(frozen=True)
class SeedStatistics:
    """Statistics of a score over seeds, 0..1.

    Attributes:
        mean: Mean over seeds.
        values: Score of each seed.
        spread: Sample standard deviation; None with one seed.
        low: Lower bound of the 95% confidence interval of the mean (Student's t); None with one seed.
        high: Upper bound of the interval; None with one seed.
    """

    mean: float
    values: tuple[float, ...]
    spread: float | None = None
    low: float | None = None
    high: float | None = None


def seed_statistics(values: Sequence[float]) -> SeedStatistics:
    """Compute mean, standard deviation and confidence interval over seeds.

    Args:
        values: One score per seed, at least one.
    """
    mean = statistics.fmean(values)
    if len(values) == 1:
        return SeedStatistics(mean, tuple(values))
    from scipy.stats import t

    spread = statistics.stdev(values)
    half = float(t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * spread / len(values) ** 0.5
    return SeedStatistics(mean, tuple(values), spread, mean - half, mean + half)


@dataclass(frozen=True)
class Difference:
    """Difference of the F1 of two systems.

    Attributes:
        difference: Mean F1 of the first system minus that of the second, -1..1.
        low: Lower bound of the 95% confidence interval over test examples; None if not computed.
        high: Upper bound of the interval; None if not computed.
        p: Two-sided p value of the paired bootstrap; None if not computed.
        seed_spread: Larger of the two standard deviations over seeds; None with one seed.
    """

    difference: float
    low: float | None
    high: float | None
    p: float | None
    seed_spread: float | None

    @property
    def warning(self) -> Message | None:
        """Warning if seeds alone could explain the difference; None otherwise."""
        if self.seed_spread is None:
            return Message("difference-of-one-seed")
        if abs(self.difference) < self.seed_spread:
            return Message("difference-within-spread", spread=100 * self.seed_spread)
        return None


def compare(
    one: SeedStatistics, other: SeedStatistics, paired: tuple[Sequence[Outcomes], Sequence[Outcomes]] | None
) -> Difference:
    """Compare two systems.

    Args:
        one: F1 of the first system over seeds.
        other: F1 of the second system over the same seeds.
        paired: Outcomes of both by seed, on the same test examples; None if not known.
    """
    spreads = [score.spread for score in (one, other) if score.spread is not None]
    spread = max(spreads) if len(spreads) == 2 else None
    low, high, p = difference_interval(*paired) if paired else (None, None, None)
    return Difference(one.mean - other.mean, low, high, p, spread)


def difference_interval(
    one: Sequence[Outcomes], other: Sequence[Outcomes], resamples: int | None = None, seed: int = 0
) -> tuple[float, float, float]:
    """Compute interval and p value of a difference of mean F1 by resampling test examples.

    Each resample is the same for both systems and all of their seeds.

    Args:
        one: Outcomes of the first system, by seed.
        other: Outcomes of the second system, by seed.
        resamples: Number of resamples; None for that of `hvpkit.utils.bootstrap`.
        seed: Seed of the resampling.

    Returns:
        Lower and upper bound of the 95% interval (percentiles), and the two-sided p value.

    Raises:
        ValueError: If the test sets differ in size.

    Source: Berg-Kirkpatrick et al. 2012, "An Empirical Investigation of Statistical Significance in NLP".
    """
    import numpy as np

    from hvpkit.utils.bootstrap import NUM_RESAMPLES, paired_bootstrap

    # F1 = correct / ((predicted + gold) / 2): numerator and denominator of each example, [2, n] per run
    counts = [np.array([run.correct, np.add(run.predicted, run.gold) / 2]) for run in (*one, *other)]
    sizes = {array.shape[1] for array in counts}
    if len(sizes) != 1:
        raise ValueError(f"systems were scored on test sets of {sorted(sizes)} examples; a paired comparison needs one")

    def difference(means: Array) -> Array:  # [resamples, 2 * runs] -> [resamples]
        f1 = _f1(means.reshape(len(means), -1, 2))
        return np.asarray(f1[:, : len(one)].mean(1) - f1[:, len(one) :].mean(1))

    result = paired_bootstrap(
        np.concatenate(counts).T,
        difference,
        seed=seed,
        resamples=NUM_RESAMPLES if resamples is None else resamples,
        confidence=CONFIDENCE,
    )
    return result.low, result.high, result.p_value()


def _f1(counts: Array) -> Array:
    """Compute F1 [resamples, runs] from mean numerators and denominators [resamples, runs, 2]."""
    import numpy as np

    correct, denominator = counts[..., 0], counts[..., 1]
    return np.divide(correct, denominator, out=np.zeros_like(correct), where=denominator > 0)
