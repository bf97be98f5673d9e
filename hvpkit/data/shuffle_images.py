"""A control: each example with the picture of another one, to see how much a model's score hangs on its pictures (our own; no torch)."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import replace

from hvpkit.errors import DataError
from hvpkit.types import Example


def shuffle_pictures(examples: Sequence[Example], seed: int) -> list[Example]:
    """Give every example with a picture (or objects) that of an example with another one, objects included; texts and labels stay.

    The pictures that differ are put in a random order, by the seed, and each passes to the next: all examples of one picture get the same
    other picture, so that none keeps its own. Where examples share a picture, their objects are handed on in turn. Examples without
    pictures stay without. Raises DataError when all share one picture.
    """
    owners: defaultdict[Hashable, list[Example]] = defaultdict(list)
    for example in examples:
        if example.image is not None or example.objects:
            owners[example.image or example.objects].append(example)
    if len(owners) == 1:
        raise DataError("only-one-image")
    order = list(owners)
    random.Random(seed).shuffle(order)
    giver = dict(zip(order, order[1:] + order[:1], strict=True))
    turns: defaultdict[Hashable, int] = defaultdict(int)
    shuffled = []
    for example in examples:
        key = example.image or example.objects or None
        if key is None:
            shuffled.append(example)
            continue
        givers = owners[giver[key]]
        other = givers[turns[key] % len(givers)]
        turns[key] += 1
        shuffled.append(replace(example, image=other.image, objects=other.objects))
    return shuffled
