from __future__ import annotations

import itertools

import pytest
from seqeval.metrics.sequence_labeling import get_entities

from hvpkit.labels.bio import TaggedSpan, decode_bio, encode_bio

TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("O O", []),
        ("B-PER I-PER O", [TaggedSpan(0, 2, "PER")]),
        ("B-PER B-PER", [TaggedSpan(0, 1, "PER"), TaggedSpan(1, 2, "PER")]),
        ("I-PER I-PER", [TaggedSpan(0, 2, "PER")]),
        ("O I-LOC", [TaggedSpan(1, 2, "LOC")]),
        ("B-PER I-LOC", [TaggedSpan(0, 1, "PER"), TaggedSpan(1, 2, "LOC")]),
        ("B-PER O I-PER", [TaggedSpan(0, 1, "PER"), TaggedSpan(2, 3, "PER")]),
    ],
)
def test_entities_are_runs_of_one_type(tags, expected):
    assert decode_bio(tags.split()) == expected


def test_all_short_sequences_are_read_as_seqeval_reads_them():
    for tags in itertools.product(TAGS, repeat=4):
        assert [(run.type, run.start, run.end - 1) for run in decode_bio(tags)] == get_entities(list(tags))


def test_tags_of_entities_read_back_as_they_were():
    for tags in itertools.product(TAGS, repeat=4):
        assert decode_bio(encode_bio(decode_bio(tags), 4)) == decode_bio(tags)


def test_tags_are_bio():
    assert encode_bio([TaggedSpan(1, 3, "PER"), TaggedSpan(3, 4, "LOC")], 5) == ["O", "B-PER", "I-PER", "B-LOC", "O"]
