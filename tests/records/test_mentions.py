"""Mentions are found where a reader would look for them, and nowhere else."""

from __future__ import annotations

import random
import time
import unicodedata

import pytest
from raising import raises

from hvpkit.labels.word_tokenizer import tokenize
from hvpkit.records.issues import RecordError
from hvpkit.records.mentions import covered_words, locate_mentions, split_words_at
from hvpkit.records.spans import parse_text_span

TWEET = "Taylor Hill holding Jun's GQ japan lol."


def found(text, head, tail):
    issues = []
    mentions = locate_mentions(text, tokenize(text), as_span(text, "head", head), as_span(text, "tail", tail), issues)
    return [(span.text, span.start, span.end) for span in (mentions.head, mentions.tail)], issues


def as_span(text, role, mention):
    return mention if isinstance(mention, str) else parse_text_span(*mention, role, text)


def said(issues):
    assert {issue.severity for issue in issues} <= {"repaired"}
    return [(issue.code, issue.fields) for issue in issues]


def test_both_are_found_by_their_words():
    assert found(TWEET, "Taylor Hill", "Jun") == ([("Taylor Hill", 0, 11), ("Jun", 20, 23)], [])


@pytest.mark.parametrize("head", ["0:11", " 0 : 11 ", (0, 11), [0, 11], "0:12", (0, 12)])
def test_a_place_is_characters_and_blanks_at_its_ends_do_not_count(head):
    assert found(TWEET, head, "GQ")[0][0] == ("Taylor Hill", 0, 11)


def test_of_several_places_the_first_is_taken_and_said():
    spans, notes = found("Jun met Ada, Jun left, Jun won", "Jun", "Ada")
    assert spans[0] == ("Jun", 0, 3)
    assert said(notes) == [
        ("mention-repeated", {"role": "head", "mention": "Jun", "count": 3, "number": 1, "start": 0, "end": 3})
    ]


def test_the_same_words_twice_are_the_first_and_the_second_place():
    spans, notes = found("Jun and Jun", "Jun", "Jun")
    assert [span[1:] for span in spans] == [(0, 3), (8, 11)]
    assert said(notes) == [
        ("mention-repeated", {"role": "head", "mention": "Jun", "count": 2, "number": 1, "start": 0, "end": 3}),
        ("mention-repeated", {"role": "tail", "mention": "Jun", "count": 2, "number": 2, "start": 8, "end": 11}),
    ]


@pytest.mark.parametrize(
    ("head", "tail", "places"),
    [("0:3", "Jun", [(0, 3), (8, 11)]), ("Jun", "0:3", [(8, 11), (0, 3)]), ("Jun Lee", "Jun", [(8, 15), (0, 3)])],
)
def test_words_that_have_more_places_leave_the_taken_one_alone(head, tail, places):
    assert [span[1:] for span in found("Jun and Jun Lee", head, tail)[0]] == places


def test_a_whole_word_comes_before_a_part_of_one():
    spans, notes = found("June saw Jun and Ada", "Jun", "Ada")
    assert (spans[0], notes) == (("Jun", 9, 12), [])


@pytest.mark.parametrize("head", ["June", "0:4", (0, 4)])
def test_a_part_of_a_word_is_taken_and_said(head):
    spans, notes = found("Juneteenth with Ada", head, "Ada")
    assert spans[0] == ("June", 0, 4)
    assert said(notes) == [
        ("mention-inside-word", {"role": "head", "mention": "June", "start": 0, "end": 4, "word": "Juneteenth"})
    ]


def test_words_that_look_like_a_place_are_words_where_they_stand_in_the_text():
    spans, notes = found("Ada at 0:3 sharp", "Ada", "0:3")
    assert spans[1] == ("0:3", 7, 10)
    assert said(notes) == [("mention-taken-literally", {"role": "tail", "mention": "0:3"})]


@pytest.mark.parametrize(
    ("text", "head", "tail", "places"),
    [
        ("😂👨\u200d👩\u200d👧 Ada 🇩🇪 Bob", "Ada", "Bob", [(7, 10), (14, 17)]),
        ("שלום עולם של עדה", "עולם", "עדה", [(5, 9), (13, 16)]),
        ("e\u0301 Zoë\nBob", "Zoë", "Bob", [(3, 6), (7, 10)]),
        ("a😂b", "a", "b", [(0, 1), (2, 3)]),
    ],
)
def test_characters_are_code_points_in_any_script(text, head, tail, places):
    spans, _ = found(text, head, tail)
    assert [span[1:] for span in spans] == places
    assert [text[start:end] for _, start, end in spans] == [head, tail]


@pytest.mark.parametrize(
    ("head", "code", "fields"),
    [
        ("Madonna", "mention-not-in-text", {"mention": "Madonna", "text": TWEET, "hint": ""}),
        ("", "mention-blank", {}),
        (" \n", "mention-blank", {}),
        ("5:", "mention-not-start-end", {"found": "5:", "end": 5}),
        (":", "mention-not-start-end", {"found": ":"}),
        ("3-9:4", "mention-not-start-end", {"found": "3-9:4"}),
        ("9" * 5000 + ":1", "mention-not-start-end", {"found": "9" * 57 + "..."}),
        ("5:5", "span-empty", {"start": 5, "end": 5}),
        ("9:3", "span-empty", {"start": 9, "end": 3}),
        ("30:40", "span-outside", {"start": 30, "end": 40, "length": 39, "unit": "characters"}),
        ("-4:3", "span-outside", {"start": -4, "end": 3}),
        ((0, 99), "span-outside", {"start": 0, "end": 99}),
        ("11:12", "span-blank", {"start": 11, "end": 12}),
    ],
)
def test_what_is_not_there_is_refused(head, code, fields):
    with raises(RecordError, code, **fields) as error:
        found(TWEET, head, "GQ")
    assert "head" in (error.value.fields.get("role"), error.value.fields.get("name"))


def test_a_mention_in_other_letters_is_refused_with_what_the_text_has():
    with raises(RecordError, "mention-not-in-text", role="head", mention="jun", text=TWEET) as error:
        found(TWEET, "jun", "GQ")
    assert "'Jun'" in error.value.fields["hint"]


@pytest.mark.parametrize(
    ("head", "text", "end"), [("GQ japan", "GQ japan", 34), ("GQ", "GQ", 28), ((26, 34), "GQ japan", 34)]
)
def test_mentions_that_cannot_be_had_without_an_overlap_are_refused(head, text, end):
    places = {"head_start": 26, "head_end": end, "tail_start": 26, "tail_end": 28}
    with raises(RecordError, "mentions-overlap", head=text, tail="GQ", **places):
        found(TWEET, head, "GQ")


@pytest.mark.parametrize(
    "places", [((26, 34), (26, 28)), ("26:34", "26:28"), ((29, 34), "26:34"), ((26, 28), (26, 28))]
)
def test_places_may_overlap_as_they_do_in_training_data(places):
    spans, notes = found(TWEET, *places)
    assert [f"{start}:{end}" for _, start, end in spans] == [
        p if isinstance(p, str) else f"{p[0]}:{p[1]}" for p in places
    ]
    assert said(notes) == []  # `check_pair` notes what they share


@pytest.mark.parametrize(("in_text", "in_query"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_composed_and_decomposed_letters_are_the_same(in_text, in_query):
    text = unicodedata.normalize(in_text, "Zoë lives in Zürich")
    head, tail = (unicodedata.normalize(in_query, name) for name in ("Zoë", "Zürich"))
    spans, notes = found(text, head, tail)
    assert [text[start:end] for _, start, end in spans] == [unicodedata.normalize(in_text, n) for n in (head, tail)]
    assert notes == []


def test_long_mentions_and_texts_are_searched_in_linear_time():
    start = time.process_time()
    with raises(RecordError, "mention-not-in-text", role="head"):
        found("a" * 400_000, "A" * 200_000 + "b", "a")
    with raises(RecordError, "mentions-overlap"):
        found("ab" * 100_000, "ab" * 100_000, "a")
    assert time.process_time() - start < 20


def test_a_long_text_is_not_repeated_whole_in_the_message():
    with raises(RecordError, "mention-not-in-text", mention="Ada") as error:
        found("word " * 10_000, "Ada", "word")
    assert len(str(error.value)) < 200


def test_words_are_cut_at_the_borders_of_mentions():
    text = "#TaylorHill's dogs"
    mentions = locate_mentions(text, tokenize(text), "Hill", "dogs", [])
    cut = split_words_at(tokenize(text), (mentions.head, mentions.tail))
    assert [word.text for word in cut] == ["#", "Taylor", "Hill", "'s", "dogs"]
    assert (covered_words(mentions.head, cut).start, covered_words(mentions.head, cut).end) == (2, 3)


@pytest.mark.parametrize("seed", range(20))
def test_a_mention_is_always_exactly_whole_words(seed):
    rng = random.Random(seed)
    for _ in range(30):
        text = "".join(rng.choices(["Ada", "Bob", " ", "  ", "'s", "#", "😂", "漢字", "x.com", ".", "ש", "\n"], k=12))
        places = sorted(rng.sample(range(len(text) + 1), 4)) if len(text) > 3 else [0, 0, 0, 0]
        head, tail = (places[0], places[1]), (places[2], places[3])
        if not text[slice(*head)].strip() or not text[slice(*tail)].strip():
            continue
        mentions = locate_mentions(text, tokenize(text), as_span(text, "head", head), as_span(text, "tail", tail), [])
        cut = split_words_at(tokenize(text), (mentions.head, mentions.tail))
        for mention in (mentions.head, mentions.tail):
            span = covered_words(mention, cut)
            assert (cut[span.start].start, cut[span.end - 1].end) == (mention.start, mention.end)
            assert text[mention.start : mention.end] == mention.text
        assert "".join(word.text for word in cut) == "".join(text.split())
