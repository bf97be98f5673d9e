"""Words of raw tweets keep their places and lose nothing."""

from __future__ import annotations

import random

import pytest

from hvpkit.labels.word_tokenizer import tokenize

FAMILY, RAINBOW, THUMB = "👨\u200d👩\u200d👧", "🏳\ufe0f\u200d🌈", "👍🏽"
ENGLAND = "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
PIECES = (
    *"aZé9_#@.,:;!?'’-/&*=~|()[]{}<>\"$%+\\…\t\n \u3000\u00a0",
    *(
        "\u200b",
        "\u200c",
        "\u200d",
        "\u200f",
        "\ufeff",
        "\ufe0f",
        "\u0301",
        "\x00",
        "\ud83d",
        "\u20e3",
        "🇩",
        "🇪",
        "😂",
        "🏽",
        "漢",
        "カ",
        "ひ",
        "ー",
        "ש",
        "م",
    ),
    *("http://t.co/a", "www.", "@me", "&amp;", "U.S.", "'s", "x.com", FAMILY, ENGLAND),
)


def words(text):
    return [word.text for word in tokenize(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RT @AFP: #BREAKING news!!!", ["RT", "@AFP", ":", "#", "BREAKING", "news", "!!!"]),
        (".@POTUS said (no)", [".", "@POTUS", "said", "(", "no", ")"]),
        ("see https://t.co/aB1, or www.x.org/a?b=c.", ["see", "https://t.co/aB1", ",", "or", "www.x.org/a?b=c", "."]),
        ("pic.twitter.com/Ab me@x.co.uk", ["pic.twitter.com/Ab", "me@x.co.uk"]),
        ("don't state-of-the-art O’Neil rock'n'roll", ["don't", "state-of-the-art", "O’Neil", "rock'n'roll"]),
        ("Libya's Kids’ 'hi'", ["Libya", "'s", "Kids", "’", "'", "hi", "'"]),
        (
            "U.S. end. 3.5k 1,000 10:30 2018/07/23 $5.00 7%",
            ["U.S.", "end", ".", "3.5k", "1,000", "10:30", "2018/07/23", "$", "5.00", "7", "%"],
        ),
        ("AT&T AT&amp;T &lt;b", ["AT&T", "AT&amp;T", "&lt;", "b"]),
        (f"{FAMILY}{RAINBOW}{THUMB}😂😂", [FAMILY, RAINBOW, THUMB, "😂", "😂"]),
        (f"🇩🇪🇫🇷{ENGLAND}1\ufe0f\u20e3❤\ufe0f", ["🇩🇪", "🇫🇷", ENGLAND, "1\ufe0f\u20e3", "❤\ufe0f"]),
        ("I❤NY", ["I", "❤", "NY"]),
        ("東京タワーへiPhoneを", ["東", "京", "タワー", "へ", "iPhone", "を"]),
        ("שלום עולם!", ["שלום", "עולם", "!"]),
        ("می\u200cخواهم नमस्ते e\u0301te\u0301", ["می\u200cخواهم", "नमस्ते", "e\u0301te\u0301"]),
        ("foo\u200bbar \u200fעולם", ["foo\u200b", "bar", "\u200fעולם"]),
        ("", []),
        (" \u3000\n", []),
        ("\u200b", ["\u200b"]),
    ],
)
def test_a_text_splits_into_these_words(text, expected):
    assert words(text) == expected


@pytest.mark.parametrize("seed", range(40))
def test_words_are_in_order_apart_and_cover_every_character_but_blanks(seed):
    rng = random.Random(seed)
    for _ in range(50):
        text = "".join(rng.choices(PIECES, k=rng.randint(1, 30)))
        end = 0
        for word in tokenize(text):
            assert text[end : word.start].strip() == ""
            assert word.start < word.end
            assert text[word.start : word.end] == word.text
            assert not any(character.isspace() for character in word.text)
            end = word.end
        assert text[end:].strip() == ""


@pytest.mark.parametrize("part", ["a.", "a-", "\u200b", "😂\u200d", "@", "a@", "x.com", "http://", "&a", "'s"])
def test_a_long_chain_loses_nothing(part):
    text = part * 5000
    assert "".join(words(text)) == text
