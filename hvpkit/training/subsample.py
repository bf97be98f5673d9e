"""Training on a part of the training set, drawn by the seed, each part inside any larger (low resource: Chen et al. 2022, section 4.5)."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence

from hvpkit.config.recipe import TrainSpec
from hvpkit.types import Example


def subsample(examples: Sequence[Example], train: TrainSpec) -> list[Example]:
    """Draw the recipe's share, or its shots of each class, by its seed: at least one example, in their order.

    The whole training set is taken as it is. Without replacement, the 5% of a seed lie inside its 10%, and one shot inside five.
    """
    return [examples[place] for place in sorted(_places(examples, train))]


def _places(examples: Sequence[Example], train: TrainSpec) -> list[int]:
    chance, count = random.Random(train.seed), max(1, round(train.fraction * len(examples)))
    if train.shots is not None:
        return _few_shot(examples, train.shots, chance)
    if train.fraction == 1.0:
        return list(range(len(examples)))
    if train.sampling == "with-replacement":
        return chance.choices(range(len(examples)), k=count)
    return _stratified(examples, chance)[:count]


def _stratified(examples: Sequence[Example], chance: random.Random) -> list[int]:
    """Order all examples so that every beginning holds each stratum by its share, up to an example or two.

    Systematic sampling: a stratum's shuffled examples stand at even distances in 0..1, from a random start. An example's stratum is
    its relation, or the set of its entity types.
    """
    strata: defaultdict[Hashable, list[int]] = defaultdict(list)
    for place, example in enumerate(examples):
        strata[example.relation if example.tags is None else frozenset(_types(example))].append(place)
    placed: list[tuple[float, int]] = []
    for members in strata.values():
        chance.shuffle(members)
        start = chance.random()
        placed += [((rank + start) / len(members), place) for rank, place in enumerate(members)]
    return [place for _, place in sorted(placed)]


def _few_shot(examples: Sequence[Example], shots: int, chance: random.Random) -> list[int]:
    """Draw until each relation has `shots` examples, or each entity type `shots` entities, or there are no more.

    Rarest first, one shot a round, since a sentence brings all of its entities (after the greedy sampling of Yang and Katiyar 2020,
    "Simple and effective few-shot named entity recognition with structured nearest neighbor learning"; rounds, so that shots nest).
    """
    held = [Counter(_classes(example)) for example in examples]
    total: Counter[str] = sum(held, Counter())
    order = list(range(len(examples)))
    chance.shuffle(order)
    having = {name: iter([place for place in order if held[place][name]]) for name in total}
    drawn: dict[int, None] = {}
    found: Counter[str] = Counter()
    for goal in range(1, shots + 1):
        for name in sorted(total, key=lambda name: (total[name], name)):
            while found[name] < min(goal, total[name]):
                place = next(place for place in having[name] if place not in drawn)
                drawn[place] = None
                found += held[place]
    return list(drawn)


def _classes(example: Example) -> list[str]:
    """Give what counts as a shot: the relation, or the type of each entity."""
    return [str(example.relation)] if example.tags is None else list(_types(example))


def _types(example: Example) -> Iterator[str]:
    return (tag[2:] for tag in example.tags or () if tag.startswith("B-"))
