"""Random subsets of the training set: a fraction, or few-shot examples.

Source: Chen et al. 2022, section 4.5 (low resource).
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence

from hvpkit.config.recipe import TrainSpec
from hvpkit.types import Example

SUBSET = "sample.json"  # file of a model folder with the ids of a training subset


def subsample(examples: Sequence[Example], train: TrainSpec) -> list[Example]:
    """Sample a fraction of the training set, or few-shot examples of each class.

    Without replacement, subsets of one seed are nested: 5% is part of 10%, and one shot is part of five.

    Args:
        examples: Training examples.
        train: Settings: `fraction`, `shots`, `sampling` and `seed`. With a fraction of 1, all examples are returned.

    Returns:
        At least one example, in the order of the training set.
    """
    return [examples[row] for row in sorted(_sample_indices(examples, train))]


def _sample_indices(examples: Sequence[Example], train: TrainSpec) -> list[int]:
    rng, size = random.Random(train.seed), max(1, round(train.fraction * len(examples)))
    if train.shots is not None:
        return _few_shot(examples, train.shots, rng)
    if train.fraction == 1.0:
        return list(range(len(examples)))
    if train.sampling == "with-replacement":
        return rng.choices(range(len(examples)), k=size)
    return _stratified(examples, rng)[:size]


def _stratified(examples: Sequence[Example], rng: random.Random) -> list[int]:
    """Order all examples so that each prefix of the order contains each stratum in proportion.

    Systematic sampling: the shuffled examples of a stratum get equidistant positions in 0..1, from a random start. The
    stratum of an example is its relation, or the set of its entity types.
    """
    strata: defaultdict[Hashable, list[int]] = defaultdict(list)
    for row, example in enumerate(examples):
        strata[example.relation if example.tags is None else frozenset(_entity_types(example))].append(row)
    positions: list[tuple[float, int]] = []
    for stratum in strata.values():
        rng.shuffle(stratum)
        start = rng.random()
        positions += [((rank + start) / len(stratum), row) for rank, row in enumerate(stratum)]
    return [row for _, row in sorted(positions)]


def _few_shot(examples: Sequence[Example], shots: int, rng: random.Random) -> list[int]:
    """Sample at least `shots` examples of each relation, or entities of each type, if there are that many.

    Each round adds one shot per class, so that subsets are nested. Rare classes come first, because a sentence counts
    for all of its entities.

    Source: greedy sampling of Yang and Katiyar 2020, "Simple and effective few-shot named entity recognition with
    structured nearest neighbor learning"; own: the rounds.
    """
    counts = [Counter(_shot_classes(example)) for example in examples]
    total: Counter[str] = sum(counts, Counter())
    order = list(range(len(examples)))
    rng.shuffle(order)
    candidates = {name: iter([row for row in order if counts[row][name]]) for name in total}
    selected: dict[int, None] = {}
    num_selected: Counter[str] = Counter()
    for target in range(1, shots + 1):
        for name in sorted(total, key=lambda name: (total[name], name)):
            while num_selected[name] < min(target, total[name]):
                row = next(row for row in candidates[name] if row not in selected)
                selected[row] = None
                num_selected += counts[row]
    return list(selected)


def _shot_classes(example: Example) -> list[str]:
    """List the classes that an example counts for: its relation, or the type of each entity."""
    return [str(example.relation)] if example.tags is None else list(_entity_types(example))


def _entity_types(example: Example) -> Iterator[str]:
    return (tag[2:] for tag in example.tags or () if tag.startswith("B-"))


def subset_file(examples: Sequence[Example], train: TrainSpec) -> dict[str, object]:
    """Return the name and content of the file with the ids of the training subset; empty without a subset.

    Args:
        examples: Examples of the subset.
        train: Settings: `fraction`, `shots`, `sampling` and `seed`.
    """
    if not train.is_subsampled:
        return {}
    settings = train.model_dump(include={"seed", "fraction", "shots", "sampling"})
    return {SUBSET: settings | {"ids": [example.id for example in examples]}}
