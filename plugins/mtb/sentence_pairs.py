"""Sentences of the training text by their entities, and the choice of those to compare."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch

from hvpkit.types import Example, Span

UNIFORM = 0.5  # fraction of the negatives that are chosen from all; the others share one entity
Pair = frozenset[str]


class SentencePairs:
    """Examples with an entity pair, which are positives of each other if their two strings are the same.

    Order and case of the strings do not matter. Examples are numbered in the order given.

    Args:
        examples: Training examples with head and tail.

    Source: own, after plkmo/BERT-Relation-Extraction.
    """

    def __init__(self, examples: Sequence[Example]) -> None:
        self.examples = examples
        self.pairs = [_pair(example) for example in examples]
        self.numbers = {example.id: number for number, example in enumerate(examples)}
        self.by_pair: defaultdict[Pair, list[int]] = defaultdict(list)
        self.by_entity: defaultdict[str, list[int]] = defaultdict(list)
        for number, pair in enumerate(self.pairs):
            self.by_pair[pair].append(number)
            for entity in pair:
                self.by_entity[entity].append(number)

    def positives(self, number: int, count: int) -> list[int]:
        """Choose up to `count` examples with the pair of an example, itself first, at random."""
        others = [other for other in self.by_pair[self.pairs[number]] if other != number]
        order = torch.randperm(len(others))[: count - 1].tolist()
        return [number, *(others[i] for i in order)]

    def negatives(self, number: int, count: int) -> list[int]:
        """Choose `count` examples of other pairs at random; half of them share an entity, if any does.

        Returns:
            Numbers of examples, possibly the same one twice; none if all examples have this pair.
        """
        pair = self.pairs[number]
        if len(self.by_pair[pair]) == len(self.examples):
            return []
        sharing = [[other for other in self.by_entity[entity] if self.pairs[other] != pair] for entity in sorted(pair)]
        sharing = [numbers for numbers in sharing if numbers]
        return [self._negative(pair, sharing) for _ in range(count)]

    def _negative(self, pair: Pair, sharing: Sequence[Sequence[int]]) -> int:
        if sharing and float(torch.rand(())) >= UNIFORM:
            numbers = sharing[_random(len(sharing))]
            return numbers[_random(len(numbers))]
        while True:
            number = _random(len(self.examples))
            if self.pairs[number] != pair:
                return number


def _pair(example: Example) -> Pair:
    return frozenset(_string(example, span) for span in (example.head, example.tail) if span is not None)


def _string(example: Example, span: Span) -> str:
    return " ".join(example.words[span.start : span.end]).lower()


def _random(size: int) -> int:
    return int(torch.randint(size, ()))
