from __future__ import annotations

import itertools

import pytest
from seqeval.metrics.sequence_labeling import get_entities

from hvpkit.labels.bio import Run, runs, to_tags

TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("O O", []),
        ("B-PER I-PER O", [Run(0, 2, "PER")]),
        ("B-PER B-PER", [Run(0, 1, "PER"), Run(1, 2, "PER")]),
        ("I-PER I-PER", [Run(0, 2, "PER")]),
        ("O I-LOC", [Run(1, 2, "LOC")]),
        ("B-PER I-LOC", [Run(0, 1, "PER"), Run(1, 2, "LOC")]),
        ("B-PER O I-PER", [Run(0, 1, "PER"), Run(2, 3, "PER")]),
    ],
)
def test_entities_are_runs_of_one_type(tags, expected):
    assert runs(tags.split()) == expected


def test_all_short_sequences_are_read_as_seqeval_reads_them():
    for tags in itertools.product(TAGS, repeat=4):
        assert [(run.type, run.start, run.end - 1) for run in runs(tags)] == get_entities(list(tags))


def test_tags_of_entities_read_back_as_they_were():
    for tags in itertools.product(TAGS, repeat=4):
        assert runs(to_tags(runs(tags), 4)) == runs(tags)


def test_tags_are_bio():
    assert to_tags([Run(1, 3, "PER"), Run(3, 4, "LOC")], 5) == ["O", "B-PER", "I-PER", "B-LOC", "O"]
