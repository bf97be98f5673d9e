"""Upper bounds on synthetic data: the best F1 that any rule can reach.

A system predicts the same label for the same evidence (text, or text and image). Predicting a label for all examples of
one evidence costs one prediction for each and is right for those with this label, so the most frequent label is best.
Predicting nothing (for relations, `None`) costs nothing. F1 = 2 * correct / (predictions + gold) is a ratio of sums, so
the optimum consists of all evidence above some precision: sort by precision and take the best prefix. No system that
reads the same evidence scores higher on the same examples, even if it has seen their labels. Spans are assumed to be
known.

Source: own; optimal thresholds as in Lipton et al. 2014, "Optimal thresholding of classifiers to maximize F1 measure".
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import asdict, dataclass

from hvpkit.labels.gold import gold_labels
from hvpkit.types import Example


@dataclass(frozen=True)
class UpperBound:
    """Best F1 that any rule can reach on a group of examples.

    Attributes:
        text: Best F1 from the text alone, 0..1.
        image: Best F1 from text and image, 0..1.
        gold: Number of gold labels.
        examples: Number of examples.
    """

    text: float
    image: float
    gold: int
    examples: int


Evidence = tuple[Hashable, str]  # evidence and gold label


def optimal_f1(questions: Iterable[Evidence], nothing: str | None = None) -> float:
    """Compute the largest micro F1 of any rule from evidence to label.

    Args:
        questions: Evidence and gold label of each entity or pair.
        nothing: Label that does not count, such as the relation `None`.

    Returns:
        F1 0..1, which is 0 if there is no gold label that counts.
    """
    counters: defaultdict[Hashable, Counter[str]] = defaultdict(Counter)
    for evidence, label in questions:
        counters[evidence][label] += 1
    gold = sum(count for counter in counters.values() for label, count in counter.items() if label != nothing)
    outcomes = [_best_outcome(counter, nothing) for counter in counters.values()]
    best, correct, predictions = 0.0, 0, 0
    for num_correct, num_predictions in sorted(outcomes, key=lambda outcome: outcome[0] / outcome[1], reverse=True):
        correct, predictions = correct + num_correct, predictions + num_predictions
        best = max(best, 2 * correct / (predictions + gold) if gold else 0.0)
    return best


def _best_outcome(counter: Counter[str], nothing: str | None) -> tuple[int, int]:
    """Return correct and total predictions if the most frequent label that counts is predicted."""
    return max((count for label, count in counter.items() if label != nothing), default=0), sum(counter.values())


def upper_bounds(examples: Sequence[Example]) -> dict[str, dict[str, float]]:
    """Compute the upper bounds of each group of `group_examples` as JSON values."""
    return {name: asdict(upper_bound(group)) for name, group in group_examples(examples).items()}


def group_examples(examples: Sequence[Example]) -> dict[str, list[Example]]:
    """Group synthetic examples by their metadata, without empty groups.

    Groups are "all", "ambiguous", "unambiguous", and one for each kind of clue.
    """
    groups: defaultdict[str, list[Example]] = defaultdict(list)
    for example in examples:
        for group in (
            "all",
            "ambiguous" if example.metadata["ambiguous"] == "yes" else "unambiguous",
            example.metadata["clue"],
        ):
            groups[group].append(example)
    return {name: groups[name] for name in (*FIRST, *sorted(set(groups) - set(FIRST))) if name in groups}


FIRST = ("all", "ambiguous", "unambiguous")


def upper_bound(examples: Sequence[Example]) -> UpperBound:
    """Compute the upper bound of one group of labeled examples, MNER or MRE."""
    text = _evidence_and_labels(examples, lambda example: example.words)
    image = _evidence_and_labels(examples, lambda example: (example.words, example.image))
    gold = sum(label != "None" for _, label in text)
    return UpperBound(round(optimal_f1(text, "None"), 6), round(optimal_f1(image, "None"), 6), gold, len(examples))


def _evidence_and_labels(examples: Sequence[Example], evidence: Callable[[Example], Hashable]) -> list[Evidence]:
    """List the evidence and gold label of every entity or pair."""
    return [((evidence(example), *spans), label) for example in examples for spans, label in gold_labels(example)]
