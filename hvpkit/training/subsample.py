"""Subsets of the training set, drawn by the seed; a smaller subset lies within a larger one.

Source: Chen et al. 2022, section 4.5 (low resource).
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence

from hvpkit.config.recipe import TrainSpec
from hvpkit.types import Example


def subsample(examples: Sequence[Example], train: TrainSpec) -> list[Example]:
    """Draw a fraction of the training set, or few-shot examples of each class.

    Without replacement, subsets of one seed are nested: 5% within 10%, one shot within five.

    Args:
        examples: Training examples.
        train: Settings: `fraction`, `shots`, `sampling` and `seed`. With a fraction of 1, all examples are returned.

    Returns:
        At least one example, in the order of the training set.
    """
    return [examples[row] for row in sorted(_rows(examples, train))]


def _rows(examples: Sequence[Example], train: TrainSpec) -> list[int]:
    rng, count = random.Random(train.seed), max(1, round(train.fraction * len(examples)))
    if train.shots is not None:
        return _few_shot(examples, train.shots, rng)
    if train.fraction == 1.0:
        return list(range(len(examples)))
    if train.sampling == "with-replacement":
        return rng.choices(range(len(examples)), k=count)
    return _stratified(examples, rng)[:count]


def _stratified(examples: Sequence[Example], rng: random.Random) -> list[int]:
    """Order all examples so that each prefix of the order contains each stratum in proportion.

    Systematic sampling: the shuffled examples of a stratum get equidistant positions in 0..1, from a random start. The
    stratum of an example is its relation, or the set of its entity types.
    """
    strata: defaultdict[Hashable, list[int]] = defaultdict(list)
    for row, example in enumerate(examples):
        strata[example.relation if example.tags is None else frozenset(_types(example))].append(row)
    positions: list[tuple[float, int]] = []
    for members in strata.values():
        rng.shuffle(members)
        start = rng.random()
        positions += [((rank + start) / len(members), row) for rank, row in enumerate(members)]
    return [row for _, row in sorted(positions)]


def _few_shot(examples: Sequence[Example], shots: int, rng: random.Random) -> list[int]:
    """Draw at least `shots` examples of each relation, or entities of each type, if there are as many.

    Classes are filled in rounds of one shot, so that subsets are nested, and from the rarest on, because a sentence
    counts for all of its entities.

    Source: greedy sampling of Yang and Katiyar 2020, "Simple and effective few-shot named entity recognition with
    structured nearest neighbor learning"; the rounds are own.
    """
    counts = [Counter(_shot_classes(example)) for example in examples]
    total: Counter[str] = sum(counts, Counter())
    order = list(range(len(examples)))
    rng.shuffle(order)
    candidates = {name: iter([row for row in order if counts[row][name]]) for name in total}
    selected: dict[int, None] = {}
    reached: Counter[str] = Counter()
    for goal in range(1, shots + 1):
        for name in sorted(total, key=lambda name: (total[name], name)):
            while reached[name] < min(goal, total[name]):
                row = next(row for row in candidates[name] if row not in selected)
                selected[row] = None
                reached += counts[row]
    return list(selected)


def _shot_classes(example: Example) -> list[str]:
    """List the classes of which an example is a shot: its relation, or the type of each entity."""
    return [str(example.relation)] if example.tags is None else list(_types(example))


def _types(example: Example) -> Iterator[str]:
    return (tag[2:] for tag in example.tags or () if tag.startswith("B-"))
