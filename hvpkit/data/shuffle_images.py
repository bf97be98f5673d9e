"""Shuffled-images control: measures how much a score depends on the images."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import replace

from hvpkit.errors import DataError
from hvpkit.types import Example


def shuffle_images(examples: Sequence[Example], seed: int) -> list[Example]:
    """Replace the image and objects of every example by those of an example with another image.

    The distinct images are shuffled and each is passed to the next, so that all examples of one image get the
    same other image and none keeps its own. If several examples share an image, their objects are used in turn.
    Texts and labels are kept, and examples without images stay without.

    Args:
        examples: Examples of one split.
        seed: Seed of the shuffle.

    Raises:
        DataError: "only-one-image" if all examples with an image share the same one.

    Source: own.
    """
    examples_by_image: defaultdict[Hashable, list[Example]] = defaultdict(list)
    for example in examples:
        if example.image is not None or example.objects:
            examples_by_image[example.image or example.objects].append(example)
    if len(examples_by_image) == 1:
        raise DataError("only-one-image")
    order = list(examples_by_image)
    random.Random(seed).shuffle(order)
    replacement_of = dict(zip(order, order[1:] + order[:1], strict=True))
    num_used: defaultdict[Hashable, int] = defaultdict(int)
    shuffled = []
    for example in examples:
        key = example.image or example.objects or None
        if key is None:
            shuffled.append(example)
            continue
        donors = examples_by_image[replacement_of[key]]
        other = donors[num_used[key] % len(donors)]
        num_used[key] += 1
        shuffled.append(replace(example, image=other.image, objects=other.objects))
    return shuffled
