from __future__ import annotations

import pytest

from hvpkit.recipe import TrainSpec
from hvpkit.training.sampling import sampled
from hvpkit.types import Example

EXAMPLES = [Example(str(i), ("a",)) for i in range(40)]


def drawn(**settings) -> list[int]:
    return [int(example.id) for example in sampled(EXAMPLES, TrainSpec(**settings))]


@pytest.mark.parametrize("sampling", ["without-replacement", "with-replacement"])
def test_the_seed_draws_a_share_in_order(sampling):
    found = drawn(share=0.5, seed=3, sampling=sampling)
    assert len(found) == 20
    assert found == sorted(found) == drawn(share=0.5, seed=3, sampling=sampling)
    assert found != drawn(share=0.5, seed=4, sampling=sampling)
    assert (len(set(found)) == 20) == (sampling == "without-replacement")


def test_all_of_it_is_taken_once_and_a_small_share_is_one_example():
    assert drawn(sampling="with-replacement") == list(range(40))
    assert len(drawn(share=0.001)) == 1
