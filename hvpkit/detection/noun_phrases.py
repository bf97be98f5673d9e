"""Rule-based noun phrases of tweets: capitalized names, and words after determiners and prepositions.

The rules aim at recall: the score threshold of a detector drops phrases that the image does not show. The phrase
extractors behind the published crops are not available.

Source: own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from hvpkit.detection.function_words import load_function_words

MAX_WORDS = 6  # of a phrase
MAX_UPPERCASE = 0.7  # fraction of uppercase words above which capitals do not indicate names

_HANDLE = re.compile(r"[@＠]\w*")
_LINK = re.compile(r"(?i)(?:https?:|www\.)\S*|\S+\.(?:com|org|net|ly|co|me|tv|uk)(?:/\S*)?")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z0-9])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[0-9])(?=[A-Za-z])|_+")
_WORD = re.compile(r"[^\W_][\w'’&.-]*")


def noun_phrases(words: Sequence[str]) -> list[str]:
    """Extract capitalized names, then noun groups.

    A noun group is up to `MAX_WORDS` words after a determiner, number or preposition.
    """
    tokens = list(_clean_tokens(words))
    names = list(_names(tokens)) if not _is_uppercase(words) else []
    covered = {position for start, end in names for position in range(start, end)}
    groups = [span for span in _groups(tokens) if not covered & set(range(*span))]
    return [" ".join(tokens[i][0] for i in range(start, end)) for start, end in (*names, *groups)]


def clean(token: str) -> list[str]:
    """Split a token into its natural-language words.

    RT, handles and links have none, a hashtag may have several, any other token is returned unchanged.

    Example: `#NewYorkCity` becomes New, York, City.
    """
    if token in ("RT", "#", "&amp;", "…") or _HANDLE.fullmatch(token) or _LINK.fullmatch(token):
        return []
    if token.startswith(("#", "＃")):
        return [part for part in _HUMP.split(token[1:]) if part]
    return [token]


def _clean_tokens(words: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Yield cleaned words with whether a sentence may start there; an empty word marks a removed token."""
    starts, tagged = True, False
    for word in words:
        parts = [part for part in _HUMP.split(word) if part] if tagged and _WORD.fullmatch(word) else clean(word)
        for part in parts or [""]:
            yield part, starts
            starts = False if _WORD.fullmatch(part) else starts or part in (".", "!", "?", ":", "...", '"', "")
        tagged = word in ("#", "＃")


def _is_uppercase(words: Sequence[str]) -> bool:
    letters = [word for word in words if word.isalpha() and len(word) > 1 and word != "RT"]
    return len(letters) > 2 and sum(word.isupper() for word in letters) > MAX_UPPERCASE * len(letters)


def _names(tokens: Sequence[tuple[str, bool]]) -> Iterator[tuple[int, int]]:
    """Yield spans of capitalized words; they may contain, but not end with, small words ("University of Oxford")."""
    position = 0
    while position < len(tokens):
        end = position
        while end < len(tokens) and (_is_capitalized(tokens[end]) or _joins_names(tokens, position, end)):
            end += 1
        while end > position and not _is_capitalized(tokens[end - 1]):
            end -= 1
        if any(word.lower() not in load_function_words().adjectives for word, _ in tokens[position:end]):
            yield position, min(end, position + MAX_WORDS)
        position = max(end, position + 1)


def _is_capitalized(item: tuple[str, bool]) -> bool:
    word = item[0]
    return len(word) > 1 and word[0].isupper() and _is_content_word(word)


def _joins_names(tokens: Sequence[tuple[str, bool]], start: int, position: int) -> bool:
    """Check whether the word at a position may be inside a name that begins at `start`."""
    is_inner = start < position < len(tokens) - 1 and tokens[position][0] in load_function_words().inside_names
    return is_inner and any(_is_capitalized(item) for item in tokens[position + 1 : position + 3])


def _groups(tokens: Sequence[tuple[str, bool]]) -> Iterator[tuple[int, int]]:
    position = 0
    while position < len(tokens):
        if not load_function_words().starts_group(tokens[position][0].lower()):
            position += 1
            continue
        start = position + 1
        end = start
        while end < len(tokens) and end - start < MAX_WORDS and _continues_group(tokens[end][0]):
            end += 1
        if end > start:
            yield start, end
        position = max(end, position + 1)


def _continues_group(word: str) -> bool:
    return _is_content_word(word) and not word.isdigit()


def _is_content_word(word: str) -> bool:
    return bool(_WORD.fullmatch(word)) and not load_function_words().is_function_word(word.lower())
