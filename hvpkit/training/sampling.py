"""Training on a part of the training set (Chen et al. 2022, section 4.5: low resource)."""

from __future__ import annotations

import random
from collections.abc import Sequence

from hvpkit.recipe import TrainSpec
from hvpkit.types import Example


def sampled(examples: Sequence[Example], train: TrainSpec) -> list[Example]:
    """Draw the recipe's share of the examples by its seed, at least one, in their order; with replacement one may come twice.

    The whole training set is taken as it is.
    """
    if train.share == 1.0:
        return list(examples)
    count, places, chance = max(1, round(train.share * len(examples))), range(len(examples)), random.Random(train.seed)
    drawn = chance.choices(places, k=count) if train.sampling == "with-replacement" else chance.sample(places, count)
    return [examples[place] for place in sorted(drawn)]
