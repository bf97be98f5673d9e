from __future__ import annotations

import itertools
import random

import pytest
from seqeval.metrics import classification_report as entity_report
from sklearn.metrics import classification_report as class_report

from hvpkit.evaluation.metrics import Score, entity_scores, relation_scores
from hvpkit.labels.bio import decode_bio

TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG")
CLASSES = ("None", "/per/per/peer", "/per/loc/place_of_birth", "/org/org/subsidiary")
NOTHING = Score(0.0, 0.0, 0.0, 0)


def random_rows(seed: int, names: tuple[str, ...], noise: float) -> tuple[list[list[str]], list[list[str]]]:
    """Draw gold rows, and guesses that differ from them in a share of the words."""
    chance = random.Random(seed)
    gold = [[chance.choice(names) for _ in range(chance.randint(1, 9))] for _ in range(chance.randint(1, 12))]
    return gold, [[chance.choice(names) if chance.random() < noise else name for name in row] for row in gold]


def counted(gold: list[list[str]], predicted: list[list[str]], kind: str | None = None) -> Score:
    """Precision, recall and F1 over whole entities, counted by hand."""

    def found(rows: list[list[str]]) -> set[tuple[int, object]]:
        return {(i, run) for i, row in enumerate(rows) for run in decode_bio(row) if kind in (None, run.type)}

    right, said, there = len(found(gold) & found(predicted)), len(found(predicted)), len(found(gold))
    precision, recall = right / said if said else 0.0, right / there if there else 0.0
    return Score(precision, recall, 2 * precision * recall / (precision + recall) if right else 0.0, there)


def approximately(score: Score) -> Score:
    return Score(*(pytest.approx(value) for value in (score.precision, score.recall, score.f1)), gold=score.gold)


@pytest.mark.parametrize("seed", range(30))
def test_entity_scores_are_counted_over_whole_entities(seed):
    gold, predicted = random_rows(seed, TAGS, noise=seed % 5 / 5)
    scores = entity_scores(gold, predicted)
    assert scores.overall == approximately(counted(gold, predicted))
    types = {run.type for row in (*gold, *predicted) for run in decode_bio(row)}
    assert scores.by_label == {kind: approximately(counted(gold, predicted, kind)) for kind in types}
    same = [a == b for one, other in zip(gold, predicted, strict=True) for a, b in zip(one, other, strict=True)]
    assert scores.accuracy == pytest.approx(sum(same) / len(same))
    assert scores.examples == len(gold)


@pytest.mark.parametrize("seed", range(5))
def test_entity_scores_are_seqeval_s(seed):
    gold, predicted = random_rows(seed, TAGS, noise=0.3)
    report = entity_report(gold, predicted, output_dict=True, zero_division=0)
    scores = entity_scores(gold, predicted)
    for name, score in (("micro avg", scores.overall), *scores.by_label.items()):
        theirs = report[name]
        assert score == approximately(
            Score(theirs["precision"], theirs["recall"], theirs["f1-score"], int(theirs["support"]))
        )


@pytest.mark.parametrize(
    ("gold", "predicted", "expected"),
    [
        (["B-PER I-PER"], ["B-PER I-PER"], Score(1, 1, 1, 1)),
        (["B-PER I-PER"], ["B-PER O"], Score(0, 0, 0, 1)),  # half an entity is none
        (["B-PER I-PER"], ["B-LOC I-LOC"], Score(0, 0, 0, 1)),
        (["B-PER I-PER"], ["I-PER I-PER"], Score(1, 1, 1, 1)),  # it opens an entity as well
        (["B-PER O"], ["O O"], Score(0, 0, 0, 1)),  # nothing predicted
        (["O O"], ["B-PER O"], Score(0, 0, 0, 0)),  # nothing to find
        (["O O"], ["O O"], NOTHING),
        (["B-PER", "O"], ["O", "B-PER"], Score(0, 0, 0, 1)),  # the right entity in another sentence
        (["B-PER B-PER", "B-LOC"], ["B-PER I-PER", "B-LOC"], Score(0.5, 1 / 3, 0.4, 3)),
    ],
)
def test_entity_scores_in_the_corners(gold, predicted, expected):
    scores = entity_scores([row.split() for row in gold], [row.split() for row in predicted])
    assert scores.overall == approximately(expected)


def test_no_examples_have_no_scores():
    assert entity_scores([], []) == relation_scores([], [])
    assert entity_scores([], []).overall == NOTHING


def counted_relations(gold: list[str], predicted: list[str], classes: set[str]) -> Score:
    right = sum(a == b and a in classes for a, b in zip(gold, predicted, strict=True))
    said, there = sum(b in classes for b in predicted), sum(a in classes for a in gold)
    precision, recall = right / said if said else 0.0, right / there if there else 0.0
    return Score(precision, recall, 2 * precision * recall / (precision + recall) if right else 0.0, there)


@pytest.mark.parametrize("seed", range(30))
def test_relation_scores_leave_none_out(seed):
    rows = random_rows(seed, CLASSES, noise=seed % 5 / 5)
    gold, predicted = (list(itertools.chain(*side)) for side in rows)
    scores = relation_scores(gold, predicted)
    assert scores.overall == approximately(counted_relations(gold, predicted, set(CLASSES[1:])))
    named = {*gold, *predicted} - {"None"}
    assert scores.by_label == {name: approximately(counted_relations(gold, predicted, {name})) for name in named}
    assert scores.accuracy == pytest.approx(sum(a == b for a, b in zip(gold, predicted, strict=True)) / len(gold))
    assert scores.examples == len(gold)


def test_relation_scores_are_scikit_learn_s():
    rows = random_rows(3, CLASSES, noise=0.4)
    gold, predicted = (list(itertools.chain(*side)) for side in rows)
    report = class_report(gold, predicted, labels=CLASSES[1:], output_dict=True, zero_division=0)
    scores = relation_scores(gold, predicted)
    for name, score in (("micro avg", scores.overall), *scores.by_label.items()):
        theirs = report[name]
        assert score == approximately(
            Score(theirs["precision"], theirs["recall"], theirs["f1-score"], int(theirs["support"]))
        )


@pytest.mark.parametrize(
    ("gold", "predicted", "expected", "accuracy"),
    [
        (["None", "None"], ["None", "None"], NOTHING, 1.0),
        (["None", "None"], ["peer", "None"], NOTHING, 0.5),  # found what was not there
        (["peer", "peer"], ["None", "None"], Score(0, 0, 0, 2), 0.0),  # nothing predicted
        (["peer", "None"], ["peer", "peer"], Score(0.5, 1, 2 / 3, 1), 0.5),
        (["peer", "None"], ["alumi", "None"], Score(0, 0, 0, 1), 0.5),
    ],
)
def test_relation_scores_in_the_corners(gold, predicted, expected, accuracy):
    scores = relation_scores(gold, predicted)
    assert scores.overall == approximately(expected)
    assert scores.accuracy == accuracy


def test_another_name_for_no_relation_can_be_given():
    assert relation_scores(["Other", "peer"], ["Other", "peer"], none="Other").overall == Score(1, 1, 1, 1)
