from __future__ import annotations

import random
import re
import statistics

import pytest

from hvpkit.experiments.results import Outcomes
from hvpkit.experiments.seed_statistics import compare, difference_interval, seed_statistics


def outcomes(seed: int, skill: float, n: int = 200) -> Outcomes:
    chance = random.Random(seed)
    gold = [1 + random.Random(i).randrange(3) for i in range(n)]
    correct = [sum(chance.random() < skill for _ in range(count)) for count in gold]
    return Outcomes(correct=correct, predicted=[count + (chance.random() < 0.3) for count in gold], gold=gold)


def by_loops(one, other, samples: int, seed: int) -> list[float]:
    """Resample with plain loops."""
    chance, n, found = random.Random(seed), len(one[0].gold), []
    for _ in range(samples):
        drawn = [chance.randrange(n) for _ in range(n)]
        means = []
        for runs in (one, other):
            scores = []
            for run in runs:
                asked = sum(run.predicted[i] + run.gold[i] for i in drawn)
                scores.append(2 * sum(run.correct[i] for i in drawn) / asked)
            means.append(statistics.fmean(scores))
        found.append(means[0] - means[1])
    return sorted(found)


def test_bootstrap_equals_plain_loops():
    one, other = [outcomes(1, 0.7), outcomes(2, 0.7)], [outcomes(3, 0.66), outcomes(4, 0.66)]
    low, high, p = difference_interval(one, other, resamples=4000)
    loops = by_loops(one, other, samples=2000, seed=5)
    assert low == pytest.approx(loops[50], abs=0.006)
    assert high == pytest.approx(loops[1949], abs=0.006)
    tail = min(sum(d <= 0 for d in loops), sum(d >= 0 for d in loops))
    assert p == pytest.approx(2 * tail / 2000, abs=0.04)


def test_identical_systems_do_not_differ_and_a_better_one_does():
    one = outcomes(1, 0.7)
    assert difference_interval([one], [one]) == (0.0, 0.0, 1.0)
    low, high, p = difference_interval([outcomes(1, 0.9)], [outcomes(2, 0.5)])
    assert 0 < low < high and p < 0.01
    assert difference_interval([outcomes(2, 0.5)], [outcomes(1, 0.9)])[:2] == pytest.approx((-high, -low))


def test_the_bootstrap_is_fixed_by_its_seed():
    pair = [outcomes(1, 0.7)], [outcomes(2, 0.6)]
    assert (
        difference_interval(*pair, seed=3) == difference_interval(*pair, seed=3) != difference_interval(*pair, seed=4)
    )


def test_intervals_come_down_with_pairing():
    """Two runs that err on the same examples are distinguished more surely than two that do not."""
    one = outcomes(1, 0.6)
    better = one.model_copy(
        update={
            "correct": [min(g, c + (i % 7 == 0)) for i, (c, g) in enumerate(zip(one.correct, one.gold, strict=True))]
        }
    )
    low, high, _ = difference_interval([better], [one])
    shifted = better.model_copy(
        update={name: getattr(better, name)[50:] + getattr(better, name)[:50] for name in Outcomes.model_fields}
    )
    wide_low, wide_high, _ = difference_interval([shifted], [one])
    assert high - low < (wide_high - wide_low) / 2


def test_different_test_sets_are_refused():
    with pytest.raises(ValueError) as error:  # noqa: PT011 - its sizes are looked at
        difference_interval([outcomes(1, 0.7)], [outcomes(1, 0.7, n=150)])
    assert re.findall(r"\d+", str(error.value)) == ["150", "200"]


def test_intervals_over_seeds_are_students():
    found = seed_statistics([0.80, 0.82, 0.81, 0.83, 0.79])
    assert (found.mean, found.spread) == (pytest.approx(0.81), pytest.approx(0.0158114))
    assert (found.low, found.high) == (pytest.approx(0.81 - 2.7764451 * 0.0158114 / 5**0.5), pytest.approx(0.8296324))
    alone = seed_statistics([0.5])
    assert (alone.mean, alone.spread, alone.low) == (0.5, None, None)


def test_difference_below_the_seed_spread_has_a_warning():
    small = compare(seed_statistics([0.80, 0.84]), seed_statistics([0.80, 0.81]), None)
    assert (small.warning.code, small.warning.fields) == (
        "difference-within-spread",
        {"spread": pytest.approx(2.83, abs=0.005)},
    )
    assert compare(seed_statistics([0.90, 0.91]), seed_statistics([0.80, 0.81]), None).warning is None
    assert compare(seed_statistics([0.9]), seed_statistics([0.8]), None).warning.code == "difference-of-one-seed"
