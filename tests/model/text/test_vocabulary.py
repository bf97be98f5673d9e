from __future__ import annotations

import json
from collections import Counter

import pytest
from raising import raises

from hvpkit.errors import ModelFolderError
from hvpkit.model.text.vocabulary import PADDING, UNKNOWN, Vocabulary, replace_digits

COUNTS = Counter({"the": 3, "Paris": 2, "paris": 1, "Rome": 1, "é": 1})


def test_the_most_frequent_come_first_and_ids_begin_after_padding_and_the_unknown():
    vocabulary = Vocabulary.from_examples(COUNTS)
    assert [vocabulary.index(word) for word in ("the", "Paris", "Rome", "paris", "é")] == [2, 3, 4, 5, 6]
    assert (PADDING, UNKNOWN, vocabulary.size) == (0, 1, 7)


def test_the_order_of_counting_does_not_matter():
    assert Vocabulary.from_examples(Counter(dict(reversed(COUNTS.items())))) == Vocabulary.from_examples(COUNTS)


def test_what_is_not_known_as_written_is_looked_up_in_lower_case_and_else_unknown():
    vocabulary = Vocabulary.from_examples(COUNTS)
    assert vocabulary.index("THE") == vocabulary.index("the")
    assert vocabulary.index("rome") == vocabulary.index("London") == UNKNOWN


def test_ids_from_the_first_singleton_on_are_of_rare_words():
    vocabulary = Vocabulary.from_examples(COUNTS).extend(["Oslo", "the"])
    assert vocabulary.items == ("the", "Paris", "Rome", "paris", "é", "Oslo")
    assert [word for word in vocabulary.items if vocabulary.index(word) >= vocabulary.first_singleton] == [
        "Rome",
        "paris",
        "é",
        "Oslo",
    ]


def test_digits_are_replaced_by_zeros_on_request():
    assert replace_digits("£1,234 in ２0２6") == "£0,000 in 0000"
    learnt = Vocabulary.from_examples(Counter({"0000": 2}), zeros=True)
    assert learnt.index("1984") == learnt.index("2026") == 2
    assert Vocabulary.from_examples(Counter({"0000": 2})).index("1984") == UNKNOWN


@pytest.mark.parametrize("zeros", [True, False])
def test_a_saved_one_is_the_same(tmp_path, zeros):
    vocabulary = Vocabulary.from_examples(Counter({**COUNTS, "\u200b": 1, "\ud800": 4, 'a"\n': 1}), zeros=zeros).extend(
        ["Oslo"]
    )
    vocabulary.save(tmp_path / "words.json")
    assert Vocabulary.load(tmp_path / "words.json") == vocabulary


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (None, "vocabulary-unreadable"),
        ("", "vocabulary-unreadable"),
        ("[]", "vocabulary-unreadable"),
        ("{}", "vocabulary-unreadable"),
        ('{"items": [1], "repeated": 0, "zeros": false}', "vocabulary-without-items"),
        ('{"items": 3, "repeated": 0, "zeros": 0}', "vocabulary-unreadable"),
    ],
)
def test_what_is_no_vocabulary_is_refused_with_its_file(tmp_path, text, code):
    file = tmp_path / "words.json"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with raises(ModelFolderError, code, file=file):
        Vocabulary.load(file)


def test_repeated_must_be_a_number(tmp_path):
    (tmp_path / "words.json").write_text(
        json.dumps({"items": ["a"], "repeated": "1", "zeros": False}), encoding="utf-8"
    )
    with raises(ModelFolderError, "vocabulary-without-items", file=tmp_path / "words.json"):
        Vocabulary.load(tmp_path / "words.json")
