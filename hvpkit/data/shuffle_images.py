"""A control: each example with the image of another one, to see how much a model's score hangs on its images (our own; no torch)."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import replace

from hvpkit.errors import DataError
from hvpkit.types import Example


def shuffle_images(examples: Sequence[Example], seed: int) -> list[Example]:
    """Give every example with an image (or objects) that of an example with another one, objects included; texts and labels stay.

    The images that differ are put in a random order, by the seed, and each passes to the next: all examples of one image get the same
    other image, so that none keeps its own. Where examples share an image, their objects are handed on in turn. Examples without
    images stay without. Raises DataError when all share one image.
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
