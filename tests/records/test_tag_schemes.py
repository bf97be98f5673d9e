"""Tags of every usual scheme as BIO."""

from __future__ import annotations

import random

import pytest
from raising import raises

from hvpkit.records.issues import RecordError
from hvpkit.records.tag_schemes import to_bio


def parse(*tags):
    notes = []
    words = [f"w{i}" for i in range(len(tags))]
    return to_bio(tags, words, lambda note, i: notes.append((note.code, i))), notes


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("B-x I-x O", "B-x I-x O"),
        ("B-x E-x S-y O", "B-x I-x B-y O"),
        ("B-x L-x U-y O", "B-x I-x B-y O"),
        ("B-x M-x E-x", "B-x I-x I-x"),
        ("U-x U-x", "B-x B-x"),
        ("I-x I-x B-x I-y", "B-x I-x B-x B-y"),
        ("x1 x1 O x1 y1", "B-x1 I-x1 O B-x1 B-y1"),
        ("B_x I_x", "B-x I-x"),
        ("B-rock band I-rock band".replace("rock band", "rock-band"), "B-rock-band I-rock-band"),
    ],
)
def test_schemes(tags, expected):
    assert parse(*tags.split())[0] == tuple(expected.split())


def test_every_change_is_noted_at_its_word():
    assert parse("O", "B-x", "E-x", "S-x")[1] == [("tag-converted", 2), ("tag-converted", 3)]
    assert parse("I-x", "I-x")[1] == [("tag-repaired", 0)]
    assert parse("PER", "PER", "O")[1] == [("tag-without-prefix", 0), ("tag-without-prefix", 1)]
    assert parse("B-x", "I-x", "O")[1] == []


@pytest.mark.parametrize("tag", ["X-PER", "B-", "-", "", "O ", "7", "b-PER", "B", "_"])
def test_other_tags_are_refused(tag):
    with raises(RecordError, "tag-not-bio", tag=tag):
        parse("O", tag)


@pytest.mark.parametrize(("begin", "inside", "last", "single"), ["BIES", "BILU", "BMES"])
def test_mapping_loses_nothing(begin, inside, last, single):
    """Random entities, written in the scheme, come back as they were."""
    generator = random.Random(0)
    for _ in range(200):
        tags, expected = [], []
        while len(tags) < 12:
            length, kind = generator.choice([0, 1, 2, 3, 4]), generator.choice(["a", "b"])
            if length == 0:
                tags, expected = [*tags, "O"], [*expected, "O"]
                continue
            written = [f"{begin}-{kind}", *[f"{inside}-{kind}"] * (length - 2), f"{last}-{kind}"]
            tags += [f"{single}-{kind}"] if length == 1 else written
            expected += [f"B-{kind}", *[f"I-{kind}"] * (length - 1)]
        assert parse(*tags)[0] == tuple(expected)
