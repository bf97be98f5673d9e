from __future__ import annotations

import random
import statistics

import numpy as np
import pytest
from scipy.stats import spearmanr

from hvpkit.utils.bootstrap import paired_bootstrap, rank_correlation_with_position


def ratio(means):
    return means[:, 0] / means[:, 1]


def test_interval_equals_that_of_plain_loops():
    rng = np.random.default_rng(0)
    values = np.stack([rng.poisson(3, 150), rng.poisson(5, 150)], -1).astype(float)
    result = paired_bootstrap(values, ratio, resamples=4000)
    chance, resampled = random.Random(1), []
    for _ in range(4000):
        rows = [values[chance.randrange(150)] for _ in range(150)]
        resampled.append(statistics.fmean(row[0] for row in rows) / statistics.fmean(row[1] for row in rows))
    resampled.sort()
    assert (result.low, result.high) == pytest.approx((resampled[100], resampled[3899]), abs=0.008)
    assert result.resampled.mean() == pytest.approx(statistics.fmean(resampled), abs=0.003)


def test_columns_are_resampled_together():
    column = np.random.default_rng(0).normal(size=40)
    result = paired_bootstrap(np.stack([column, column], -1), lambda means: means[:, 0] - means[:, 1])
    assert (result.low, result.high) == (0, 0) and not result.resampled.any()


def test_batches_do_not_change_the_result(monkeypatch):
    values = np.random.default_rng(0).normal(size=(30, 2))
    at_once = paired_bootstrap(values, ratio, resamples=100)
    monkeypatch.setattr("hvpkit.utils.bootstrap.MAX_BATCH_NUMBERS", 180)  # three resamples at a time
    in_batches = paired_bootstrap(values, ratio, resamples=100)
    assert in_batches.resampled == pytest.approx(at_once.resampled)
    assert (in_batches.low, in_batches.high) == pytest.approx((at_once.low, at_once.high))


def test_seed_decides_the_resamples():
    values = np.random.default_rng(0).normal(size=(30, 2))
    first, same, other = (paired_bootstrap(values, ratio, seed=seed, resamples=50) for seed in (1, 1, 2))
    assert np.array_equal(first.resampled, same.resampled) and not np.array_equal(first.resampled, other.resampled)


def test_confidence_widens_the_interval():
    values = np.random.default_rng(0).normal(size=(100, 1))
    narrow, wide = (paired_bootstrap(values, lambda means: means[:, 0], confidence=c) for c in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_one_example_has_no_spread():
    result = paired_bootstrap(np.array([[3.0, 4.0]]), ratio, resamples=10)
    assert (result.low, result.high, result.resampled.tolist()) == (0.75, 0.75, [0.75] * 10)


def test_undefined_statistic_has_nan_bounds():
    result = paired_bootstrap(np.ones((5, 4)), rank_correlation_with_position, resamples=20)
    assert np.isnan([result.low, result.high]).all()


@pytest.mark.parametrize(("shift", "expected"), [(0.0, 1.0), (3.0, 2 / 101)])
def test_p_value_is_two_sided_and_never_zero(shift, expected):
    values = np.array([[shift]] * 10)
    for sign in (1, -1):
        result = paired_bootstrap(sign * values, lambda means: means[:, 0], resamples=100)
        assert result.p_value() == pytest.approx(expected)


def test_rank_correlation_equals_spearmanr_with_ties():
    rows = np.round(np.random.default_rng(0).normal(size=(30, 12)), 1)
    expected = [spearmanr(range(12), row).statistic for row in rows]
    assert rank_correlation_with_position(rows) == pytest.approx(expected)


def test_rank_correlation_of_equal_values_is_nan():
    rows = np.array([[1.0, 1.0, 1.0], [1.0, 2.0, 3.0], [1.0, 1.0 + 1e-12, 1.0]])
    assert rank_correlation_with_position(rows) == pytest.approx([np.nan, 1.0, np.nan], nan_ok=True)
    assert np.isnan(rank_correlation_with_position(np.ones((2, 3)))).all()
