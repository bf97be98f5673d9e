"""Scores, by the field's own scorers: seqeval for entities, scikit-learn for relations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """Precision, recall and F1 in 0..1 over `gold` things to find."""

    precision: float
    recall: float
    f1: float
    gold: int


@dataclass(frozen=True)
class Scores:
    """Micro scores over all, the same by type or class, and accuracy (of tags, or of classes with `None`), over `examples` examples."""

    overall: Score
    by_label: dict[str, Score]
    accuracy: float
    examples: int


def entity_scores(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> Scores:
    """Score BIO tags, each pair of rows of one length, by whole entities (span and type right), with seqeval."""
    from seqeval.metrics import accuracy_score
    from seqeval.metrics.sequence_labeling import get_entities, precision_recall_fscore_support

    rows, guesses = [list(row) for row in gold], [list(row) for row in predicted]
    if not rows:
        return Scores(Score(0.0, 0.0, 0.0, 0), {}, 0.0, 0)
    types = sorted({entity[0] for row in (*rows, *guesses) for entity in get_entities(row)})
    overall = precision_recall_fscore_support(rows, guesses, average="micro", zero_division=0)
    each = precision_recall_fscore_support(rows, guesses, average=None, zero_division=0) if types else ([], [], [], [])
    by_label = {name: _score(*values) for name, *values in zip(types, *each, strict=True)}
    return Scores(_score(*overall), by_label, float(accuracy_score(rows, guesses)), len(rows))


def relation_scores(gold: Sequence[str], predicted: Sequence[str], none: str = "None") -> Scores:
    """Score classes, leaving `none` out of precision, recall and F1, with scikit-learn."""
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    rows, guesses = list(gold), list(predicted)
    classes = sorted({*rows, *guesses} - {none})
    if not classes:
        return Scores(Score(0.0, 0.0, 0.0, 0), {}, float(accuracy_score(rows, guesses)) if rows else 0.0, len(rows))
    precision, recall, f1, _ = precision_recall_fscore_support(rows, guesses, labels=classes, average="micro", zero_division=0)
    each = precision_recall_fscore_support(rows, guesses, labels=classes, average=None, zero_division=0)
    by_label = {name: _score(*values) for name, *values in zip(classes, *each, strict=True)}
    support = sum(score.gold for score in by_label.values())
    return Scores(_score(precision, recall, f1, support), by_label, float(accuracy_score(rows, guesses)), len(rows))


def _score(precision: float, recall: float, f1: float, gold: float) -> Score:
    return Score(float(precision), float(recall), float(f1), int(gold))
