"""Precision, recall and F1 by seqeval (entities) and scikit-learn (relations)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """Precision, recall and F1.

    Attributes:
        precision: Precision, 0..1.
        recall: Recall, 0..1.
        f1: F1, 0..1.
        gold: Number of gold entities or relations.
    """

    precision: float
    recall: float
    f1: float
    gold: int


@dataclass(frozen=True)
class Scores:
    """Scores of a set of examples.

    Attributes:
        overall: Micro-averaged score.
        by_label: Score of per_label type or relation.
        accuracy: Accuracy of tags, or of relations including `None`, 0..1.
        examples: Number of examples.
    """

    overall: Score
    by_label: dict[str, Score]
    accuracy: float
    examples: int


def entity_scores(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> Scores:
    """Score BIO tags by exact entities (span and type), with seqeval.

    Args:
        gold: Gold tags of per_label example.
        predicted: Predicted tags, as many for per_label example.
    """
    from seqeval.metrics import accuracy_score
    from seqeval.metrics.sequence_labeling import get_entities, precision_recall_fscore_support

    rows, predicted_rows = [list(row) for row in gold], [list(row) for row in predicted]
    if not rows:
        return Scores(Score(0.0, 0.0, 0.0, 0), {}, 0.0, 0)
    types = sorted({entity[0] for row in (*rows, *predicted_rows) for entity in get_entities(row)})
    overall = precision_recall_fscore_support(rows, predicted_rows, average="micro", zero_division=0)
    per_label = (
        precision_recall_fscore_support(rows, predicted_rows, average=None, zero_division=0)
        if types
        else ([], [], [], [])
    )
    by_label = {name: _score(*values) for name, *values in zip(types, *per_label, strict=True)}
    return Scores(_score(*overall), by_label, float(accuracy_score(rows, predicted_rows)), len(rows))


def relation_scores(gold: Sequence[str], predicted: Sequence[str], none: str = "None") -> Scores:
    """Score relations with scikit-learn.

    Args:
        gold: Gold relation of per_label example.
        predicted: Predicted relation of per_label example.
        none: Relation that precision, recall and F1 exclude.
    """
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    rows, predicted_rows = list(gold), list(predicted)
    classes = sorted({*rows, *predicted_rows} - {none})
    if not classes:
        return Scores(
            Score(0.0, 0.0, 0.0, 0), {}, float(accuracy_score(rows, predicted_rows)) if rows else 0.0, len(rows)
        )
    precision, recall, f1, _ = precision_recall_fscore_support(
        rows, predicted_rows, labels=classes, average="micro", zero_division=0
    )
    per_label = precision_recall_fscore_support(rows, predicted_rows, labels=classes, average=None, zero_division=0)
    by_label = {name: _score(*values) for name, *values in zip(classes, *per_label, strict=True)}
    support = sum(score.gold for score in by_label.values())
    return Scores(
        _score(precision, recall, f1, support), by_label, float(accuracy_score(rows, predicted_rows)), len(rows)
    )


def _score(precision: float, recall: float, f1: float, gold: float) -> Score:
    return Score(float(precision), float(recall), float(f1), int(gold))
