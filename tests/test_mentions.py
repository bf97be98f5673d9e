"""Mentions are found where a reader would look for them, and nowhere else."""

from __future__ import annotations

import random

import pytest

from hvpkit.errors import DataError
from hvpkit.mentions import cut_words, find_mentions, words_of
from hvpkit.text.words import split_words

TWEET = "Taylor Hill holding Jun's GQ japan lol."


def found(text, head, tail):
    mentions = find_mentions(text, split_words(text), head, tail)
    return [(span.text, span.start, span.end) for span in (mentions.head, mentions.tail)], mentions.remarks


def test_both_are_found_by_their_words():
    assert found(TWEET, "Taylor Hill", "Jun") == ([("Taylor Hill", 0, 11), ("Jun", 20, 23)], ())


@pytest.mark.parametrize("head", ["0:11", " 0 : 11 ", (0, 11), [0, 11], "0:12", (0, 12)])
def test_a_place_is_characters_and_blanks_at_its_ends_do_not_count(head):
    assert found(TWEET, head, "GQ")[0][0] == ("Taylor Hill", 0, 11)


def test_of_several_places_the_first_is_taken_and_said():
    spans, remarks = found("Jun met Ada, Jun left, Jun won", "Jun", "Ada")
    assert spans[0] == ("Jun", 0, 3)
    assert remarks == ("head 'Jun' stands 3 times in the text: number 1, characters 0:3, was taken",)


def test_the_same_words_twice_are_the_first_and_the_second_place():
    spans, remarks = found("Jun and Jun", "Jun", "Jun")
    assert [span[1:] for span in spans] == [(0, 3), (8, 11)]
    assert "number 1, characters 0:3" in remarks[0]
    assert remarks[1] == "tail 'Jun' stands 2 times in the text: number 2, characters 8:11, was taken"


@pytest.mark.parametrize(
    ("head", "tail", "places"),
    [("0:3", "Jun", [(0, 3), (8, 11)]), ("Jun", "0:3", [(8, 11), (0, 3)]), ("Jun Lee", "Jun", [(8, 15), (0, 3)])],
)
def test_words_that_have_more_places_leave_the_taken_one_alone(head, tail, places):
    assert [span[1:] for span in found("Jun and Jun Lee", head, tail)[0]] == places


def test_a_whole_word_comes_before_a_part_of_one():
    spans, remarks = found("June saw Jun and Ada", "Jun", "Ada")
    assert (spans[0], remarks) == (("Jun", 9, 12), ())


def test_a_part_of_a_word_is_taken_and_said():
    spans, remarks = found("Juneteenth with Ada", "June", "Ada")
    assert spans[0] == ("June", 0, 4)
    assert remarks == ("head 'June', characters 0:4, is no whole word of its own: it stands in 'Juneteenth'",)


def test_words_that_look_like_a_place_are_words_where_they_stand_in_the_text():
    spans, remarks = found("Ada at 0:3 sharp", "Ada", "0:3")
    assert spans[1] == ("0:3", 7, 10)
    assert remarks == ("tail '0:3' was taken for words of the text, where it stands, not for a place",)


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
    ("head", "message"),
    [
        ("Madonna", r"head 'Madonna' is not in the text .Taylor Hill holding"),
        ("jun", r"head 'jun' is not in the text .*; did you mean 'Jun'\?"),
        ("", "head is blank"),
        (" \n", "head is blank"),
        ("5:", r"head '5:' is not start:end; expected two numbers of characters, such as 0:5"),
        (":", "head ':' is not start:end"),
        ("3-9:4", "head '3-9:4' is not start:end"),
        ("5:5", r"head 5:5 is no place in the text: expected 0 <= start < end <= 39 \(characters\)"),
        ("9:3", "head 9:3 is no place"),
        ("30:40", "head 30:40 is no place"),
        ("-4:3", "head -4:3 is no place"),
        ((0, 99), "head 0:99 is no place"),
        ("11:12", "head 11:12 holds blanks alone"),
        ("GQ japan", r"head 'GQ japan' \(characters 26:34\) and tail 'GQ' \(characters 26:28\) overlap"),
        ("GQ", r"tail 'GQ' \(characters 26:28\) overlap: give two entities that lie apart, or both as characters"),
        ((26, 34), r"head 'GQ japan' \(characters 26:34\) and tail 'GQ' .* or both as characters \(26:34 and 26:28\)"),
    ],
)
def test_what_is_not_there_is_refused(head, message):
    with pytest.raises(DataError, match=message):
        found(TWEET, head, "GQ")


@pytest.mark.parametrize("places", [((26, 34), (26, 28)), ("26:34", "26:28"), ((29, 34), "26:34"), ((26, 28), (26, 28))])
def test_places_may_overlap_as_they_do_in_training_data(places):
    spans, remarks = found(TWEET, *places)
    assert [f"{start}:{end}" for _, start, end in spans] == [p if isinstance(p, str) else f"{p[0]}:{p[1]}" for p in places]
    assert remarks == ("head and tail overlap",)


def test_a_long_text_is_not_repeated_whole_in_the_message():
    with pytest.raises(DataError) as error:
        found("word " * 10_000, "Ada", "word")
    assert len(str(error.value)) < 200


def test_words_are_cut_at_the_borders_of_mentions():
    text = "#TaylorHill's dogs"
    mentions = find_mentions(text, split_words(text), "Hill", "dogs")
    cut = cut_words(split_words(text), (mentions.head, mentions.tail))
    assert [word.text for word in cut] == ["#", "Taylor", "Hill", "'s", "dogs"]
    assert (words_of(mentions.head, cut).start, words_of(mentions.head, cut).end) == (2, 3)


@pytest.mark.parametrize("seed", range(20))
def test_a_mention_is_always_exactly_whole_words(seed):
    rng = random.Random(seed)
    for _ in range(30):
        text = "".join(rng.choices(["Ada", "Bob", " ", "  ", "'s", "#", "😂", "漢字", "x.com", ".", "ש", "\n"], k=12))
        places = sorted(rng.sample(range(len(text) + 1), 4)) if len(text) > 3 else [0, 0, 0, 0]
        head, tail = (places[0], places[1]), (places[2], places[3])
        if not text[slice(*head)].strip() or not text[slice(*tail)].strip():
            continue
        mentions = find_mentions(text, split_words(text), head, tail)
        cut = cut_words(split_words(text), (mentions.head, mentions.tail))
        for mention in (mentions.head, mentions.tail):
            span = words_of(mention, cut)
            assert (cut[span.start].start, cut[span.end - 1].end) == (mention.start, mention.end)
            assert text[mention.start : mention.end] == mention.text
        assert "".join(word.text for word in cut) == "".join(text.split())
