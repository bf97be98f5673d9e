"""Noun phrases of tweets by rules: names by their capitals, things by the small words before them (our own; no torch, no download).

The phrase extractors that published crops were made with are lost; these rules look for recall, and a detector's threshold drops what no
image shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

LONGEST = 6  # words of a phrase
SHOUTED = 0.7  # share of words in capitals above which capitals say nothing

_DETERMINERS = "a an the this that these those my your his her its our their some any every each no another both".split()
_NUMBERS = "one two three four five six seven eight nine ten".split()
_PREPOSITIONS = (
    "in on at with of by for from to into onto over under near behind beside between through during against about around inside outside "
    "like as without within across before after via per"
).split()
_OTHERS = (
    "and or but nor so yet if then than because while when where who whom whose which what why how i me we us you he him she they them it "
    "is am are was were be been being do does did done have has had will would shall should can could may might must not dont don't "
    "doesn't didn't isn't aren't wasn't can't won't i'm im it's that's let's there here now just also too very more most all much many "
    "still even only never always ever again up down out off back yes no oh ok okay lol omg rt via amp please thanks thank get gets got "
    "go goes went gone going come comes came make makes made take takes took see sees saw seen look looks looking watch watching says said "
    "say know knows want wants need needs love loves like likes wait today tonight tomorrow yesterday let check follow read win wins won "
    "meet meets met join holding wearing congrats congratulations"
).split()
_ADJECTIVES = frozenset("new happy good great best first last next live big old top more free".split())  # no name by themselves
_LEADERS = frozenset([*_DETERMINERS, *_NUMBERS, *_PREPOSITIONS])
_FUNCTION = frozenset([*_DETERMINERS, *_PREPOSITIONS, *_OTHERS])
_INNER = frozenset("of the de la le el da di du van von der den al bin".split())

_HANDLE = re.compile(r"[@＠]\w*")
_LINK = re.compile(r"(?i)(?:https?:|www\.)\S*|\S+\.(?:com|org|net|ly|co|me|tv|uk)(?:/\S*)?")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z0-9])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[0-9])(?=[A-Za-z])|_+")
_WORD = re.compile(r"[^\W_][\w'’&.-]*")


def noun_phrases(words: Sequence[str]) -> list[str]:
    """Give runs of capitalised words, then noun groups (up to `LONGEST` words after a determiner, number or preposition), as they stand."""
    read = [(word, starts) for word, starts in _sentences(words)]
    names = list(_names(read)) if not _shouted(words) else []
    taken = {position for start, end in names for position in range(start, end)}
    groups = [span for span in _groups(read) if not taken & set(range(*span))]
    return [" ".join(read[i][0] for i in range(start, end)) for start, end in (*names, *groups)]


def clean(token: str) -> list[str]:
    """Give the words of a token that are for people: none of RT, a handle or a link, several of a hashtag, itself otherwise.

    Example: `#NewYorkCity` becomes New, York, City.
    """
    if token in ("RT", "#", "&amp;", "…") or _HANDLE.fullmatch(token) or _LINK.fullmatch(token):
        return []
    if token.startswith(("#", "＃")):
        return [part for part in _HUMP.split(token[1:]) if part]
    return [token]


def _sentences(words: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Give the words for people, each with whether a sentence may begin there; where something was taken out, a blank one parts phrases."""
    starts, tagged = True, False
    for word in words:
        parts = [part for part in _HUMP.split(word) if part] if tagged and _WORD.fullmatch(word) else clean(word)
        for part in parts or [""]:
            yield part, starts
            starts = False if _WORD.fullmatch(part) else starts or part in (".", "!", "?", ":", "...", '"', "")
        tagged = word in ("#", "＃")


def _shouted(words: Sequence[str]) -> bool:
    letters = [word for word in words if word.isalpha() and len(word) > 1 and word != "RT"]
    return len(letters) > 2 and sum(word.isupper() for word in letters) > SHOUTED * len(letters)


def _names(read: Sequence[tuple[str, bool]]) -> Iterator[tuple[int, int]]:
    """Find runs of capitalised words; small words may stand within ("University of Oxford"), and none stands at an end."""
    position = 0
    while position < len(read):
        end = position
        while end < len(read) and (_capital(read[end]) or _joins(read, position, end)):
            end += 1
        while end > position and not _capital(read[end - 1]):
            end -= 1
        if any(word.lower() not in _ADJECTIVES for word, _ in read[position:end]):
            yield position, min(end, position + LONGEST)
        position = max(end, position + 1)


def _capital(item: tuple[str, bool]) -> bool:
    word, starts = item
    return bool(_WORD.fullmatch(word)) and word[0].isupper() and len(word) > 1 and word.lower() not in _FUNCTION


def _joins(read: Sequence[tuple[str, bool]], start: int, at: int) -> bool:
    return start < at < len(read) - 1 and read[at][0] in _INNER and any(_capital(item) for item in read[at + 1 : at + 3])


def _groups(read: Sequence[tuple[str, bool]]) -> Iterator[tuple[int, int]]:
    position = 0
    while position < len(read):
        if read[position][0].lower() not in _LEADERS:
            position += 1
            continue
        start = position + 1
        end = start
        while end < len(read) and end - start < LONGEST and _content(read[end][0]):
            end += 1
        if end > start:
            yield start, end
        position = max(end, position + 1)


def _content(word: str) -> bool:
    return bool(_WORD.fullmatch(word)) and word.lower() not in _FUNCTION and not word.isdigit()
