"""The best F1 that can be had from what is shown: exact, by counting (our own; no torch).

Whatever a system does, it gives one answer to one evidence. Questions whose evidence is the same therefore get the same answer: giving it
costs one prediction each and wins as many as have that answer, of which the most frequent is the best. Leaving them out (for a relation:
`None`) costs and wins nothing. F1 = 2 * wins / (predictions + gold) of a set of answered evidences is a quotient of sums, so it is largest
for all evidences above some rate of wins per prediction: sort by that rate and stop at the best F1 (the rate there is F1 / 2; Lipton et
al., 2014, "Optimal thresholding of classifiers to maximize F1 measure"). Nothing that reads the same evidence can score more on the same
examples, a system that has seen the answers included. Spans are taken as found.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import asdict, dataclass

from hvpkit.labels.gold import gold_labels
from hvpkit.types import Example


@dataclass(frozen=True)
class UpperBound:
    """The best F1 (0..1) from text alone and from text with image, over so many gold answers in so many examples."""

    text: float
    image: float
    gold: int
    examples: int


Evidence = tuple[Hashable, str]  # the evidence and the gold answer


def optimal_f1(questions: Iterable[Evidence], nothing: str | None = None) -> float:
    """Give the largest micro F1 (0..1) of any rule from evidence to answer; `nothing` is the answer that does not count.

    It is 0 where there is no gold answer that counts.
    """
    answers: defaultdict[Hashable, Counter[str]] = defaultdict(Counter)
    for evidence, answer in questions:
        answers[evidence][answer] += 1
    gold = sum(count for counter in answers.values() for answer, count in counter.items() if answer != nothing)
    offers = [_offer(counter, nothing) for counter in answers.values()]
    best, wins, predictions = 0.0, 0, 0
    for won, asked in sorted(offers, key=lambda offer: offer[0] / offer[1], reverse=True):
        wins, predictions = wins + won, predictions + asked
        best = max(best, 2 * wins / (predictions + gold) if gold else 0.0)
    return best


def _offer(counter: Counter[str], nothing: str | None) -> tuple[int, int]:
    """Give what the most frequent answer that counts wins, and the predictions that it costs."""
    return max((count for answer, count in counter.items() if answer != nothing), default=0), sum(counter.values())


def upper_bounds(examples: Sequence[Example]) -> dict[str, dict[str, float]]:
    """Give the ceilings of labelled examples, by the names of `groups`."""
    return {name: asdict(upper_bound(group)) for name, group in group_examples(examples).items()}


def group_examples(examples: Sequence[Example]) -> dict[str, list[Example]]:
    """Group examples by their `notes`: "all", "open" and "settled" ones, and by kind of clue; a group without any is left out."""
    found: defaultdict[str, list[Example]] = defaultdict(list)
    for example in examples:
        for group in ("all", "open" if example.metadata["open"] == "yes" else "settled", example.metadata["clue"]):
            found[group].append(example)
    return {name: found[name] for name in (*FIRST, *sorted(set(found) - set(FIRST))) if name in found}


FIRST = ("all", "open", "settled")


def upper_bound(examples: Sequence[Example]) -> UpperBound:
    """Give the ceilings of one group of labelled examples, MNER or MRE."""
    text = _questions(examples, lambda example: example.words)
    image = _questions(examples, lambda example: (example.words, example.image))
    gold = sum(answer != "None" for _, answer in text)
    return UpperBound(round(optimal_f1(text, "None"), 6), round(optimal_f1(image, "None"), 6), gold, len(examples))


def _questions(examples: Sequence[Example], evidence: Callable[[Example], Hashable]) -> list[Evidence]:
    """Ask for every name's type or every pair's relation, given an evidence and where to look."""
    return [((evidence(example), *spans), answer) for example in examples for spans, answer in gold_labels(example)]
