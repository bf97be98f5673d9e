"""Paired bootstrap over examples, and Spearman's rank correlation, on scipy."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NUM_RESAMPLES = 2000
CONFIDENCE = 0.95
MAX_BATCH_NUMBERS = 2**22  # gathered at a time, 32 MiB in double precision

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Bootstrap:
    """Resampled values of a statistic.

    Attributes:
        low: Lower bound of the percentile interval; NaN if the statistic is undefined for a resample.
        high: Upper bound of the interval; NaN like `low`.
        resampled: Value of each resample [resamples].
    """

    low: float
    high: float
    resampled: Array

    def p_value(self) -> float:
        """Compute the two-sided p value of the hypothesis that the statistic is zero, above 0 and at most 1."""
        tail = min(int((self.resampled <= 0).sum()), int((self.resampled >= 0).sum()))
        return min(1.0, 2 * (tail + 1) / (len(self.resampled) + 1))


def paired_bootstrap(
    values: Array,
    statistic: Callable[[Array], Array],
    *,
    seed: int = 0,
    resamples: int = NUM_RESAMPLES,
    confidence: float = CONFIDENCE,
) -> Bootstrap:
    """Resample examples; each resample has the same examples in all columns.

    Args:
        values: Values of each example [examples, columns], at least one example.
        statistic: Function of the means over examples, from [resamples, columns] to [resamples].
        seed: Seed of the resampling.
        resamples: Number of resamples.
        confidence: Coverage of the interval, 0..1.

    Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", percentile intervals.
    """
    from scipy import stats

    examples, columns = values.shape
    if examples == 1:  # scipy requires two
        resampled = np.repeat(statistic(values), resamples)
        return Bootstrap(float(resampled[0]), float(resampled[0]), resampled)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)  # bounds are NaN, as documented
        result = stats.bootstrap(
            tuple(values.T),
            lambda *samples, axis: statistic(np.stack([sample.mean(axis) for sample in samples], -1)),
            paired=True,
            vectorized=True,
            n_resamples=resamples,
            batch=max(1, MAX_BATCH_NUMBERS // (examples * columns)),
            confidence_level=confidence,
            method="percentile",
            rng=np.random.default_rng(seed),
        )
    low, high = result.confidence_interval
    return Bootstrap(float(low), float(high), result.bootstrap_distribution)


def rank_correlation_with_position(values: Array) -> Array:
    """Compute Spearman's correlation of each row [rows, N] with 1..N; NaN for a row of equal values.

    Values that differ by less than 1e-9 are ties, which get their mean rank.
    """
    from scipy import stats

    ranks = stats.rankdata(np.round(values, 9), axis=-1)
    correlations = np.full(len(values), np.nan)
    varied = np.ptp(ranks, axis=-1) > 0
    positions = np.broadcast_to(np.arange(1.0, values.shape[-1] + 1), ranks[varied].shape)
    if varied.any():
        correlations[varied] = stats.pearsonr(ranks[varied], positions, axis=-1).statistic
    return correlations
