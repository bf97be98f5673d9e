"""Divide the training examples of a dataset that has no dev or test split."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path

from hvpkit.data.readers.base import DatasetSplits, ExampleStream
from hvpkit.errors import InputError
from hvpkit.types import SPLITS, Example, Split


@dataclass(frozen=True)
class SplitRequest:
    """Proportions of the splits.

    Attributes:
        parts: Proportions of train, dev and test, as they were given.
        seed: Random seed.
    """

    parts: tuple[float, float, float]
    seed: int = 0

    @classmethod
    def parse(cls, text: str, seed: int = 0) -> SplitRequest:
        """Parse proportions such as `80/10/10`.

        Raises:
            InputError: "split-invalid".
        """
        if not re.fullmatch(r"\d+(\.\d+)?(/\d+(\.\d+)?){2}", text):
            raise InputError("split-invalid", found=text)
        train, dev, test = (float(part) for part in text.split("/"))
        if not train or not (dev or test):
            raise InputError("split-invalid", found=text)
        return cls((train, dev, test), seed)


def divide_training_examples(dataset: DatasetSplits, request: SplitRequest) -> DatasetSplits:
    """Move examples of the training split to the splits that are missing.

    Examples with equal images stay together, and those with equal words if they have no image.

    Args:
        dataset: Dataset with training examples that can be iterated several times.
        request: Proportions of the splits.

    Raises:
        InputError: "split-not-needed" if no split is missing, "split-without-train", or "split-too-small" if a split
            would have no example.
    """
    parts = dict(zip(SPLITS, request.parts, strict=True))
    wanted = {
        split: part for split, part in parts.items() if part and (split == "train" or split not in dataset.splits)
    }
    if "train" not in dataset.splits:
        raise InputError("split-without-train", splits=list(dataset.splits))
    if len(wanted) < 2:
        raise InputError("split-not-needed", splits=list(dataset.splits))
    examples = dataset.splits["train"]
    chosen = _assign(_groups(examples), wanted, random.Random(request.seed))
    counts = {split: chosen.count(split) for split in wanted}
    if empty := [split for split, count in counts.items() if not count]:
        raise InputError("split-too-small", splits=empty, count=len(chosen))
    divided = {split: ExampleStream(counts[split], partial(_select, examples, chosen, split)) for split in wanted}
    merged = {**dataset.splits, **divided}
    facts = {**dataset.facts, "split": {"parts": list(request.parts), "seed": request.seed, "counts": counts}}
    return replace(dataset, splits={split: merged[split] for split in SPLITS if split in merged}, facts=facts)


def _select(examples: Iterable[Example], chosen: list[Split], split: Split) -> Iterator[Example]:
    return (example for example, own in zip(examples, chosen, strict=True) if own == split)


def _groups(examples: Iterable[Example]) -> list[list[int]]:
    """Return the positions of the examples that must stay together."""
    digests: dict[Path, str] = {}
    groups: dict[object, list[int]] = defaultdict(list)
    for position, example in enumerate(examples):
        key: object = example.words
        if isinstance(example.image, Path):
            key = digests.get(example.image) or digests.setdefault(example.image, _digest(example.image))
        groups[key].append(position)
    return list(groups.values())


def _digest(image: Path) -> str:
    """Return a hash of the bytes of an image; of its path if it cannot be read."""
    try:
        return sha256(image.read_bytes()).hexdigest()
    except OSError:
        return str(image)


def _assign(groups: list[list[int]], wanted: Mapping[Split, float], generator: random.Random) -> list[Split]:
    """Assign groups in random order, the largest first, to the split that lacks most examples."""
    generator.shuffle(groups)
    total = sum(map(len, groups))
    lacking = {split: total * part / sum(wanted.values()) for split, part in wanted.items()}
    chosen: list[Split] = ["train"] * total
    for group in sorted(groups, key=len, reverse=True):
        split = max(lacking, key=lambda name: lacking[name])
        lacking[split] -= len(group)
        for position in group:
            chosen[position] = split
    return chosen
