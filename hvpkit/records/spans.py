"""Words and spans as files have them, checked (no torch)."""

from __future__ import annotations

from collections.abc import Sequence

from hvpkit.messages import Message
from hvpkit.records.issues import ReadingContext, RecordError
from hvpkit.types import Span


def drop_blank_tokens(tokens: object, source: ReadingContext, line: int) -> tuple[tuple[str, ...], list[int]]:
    """Remove blanks around words, and words of blanks alone.

    Gives the words and, for every boundary 0..n of the original ones, the boundary it has become. Raises RecordError for what is no list
    of words, or when none is left.
    """
    if not isinstance(tokens, (list, tuple)) or not all(isinstance(token, str) for token in tokens):
        raise RecordError("tokens-not-strings", found=tokens)
    words: list[str] = []
    places = [0]
    for token in tokens:
        word = token.strip()
        if not word:
            source.warn(Message("blank-token", text=token), line)
        elif word != token:
            source.warn(Message("blanks-removed", text=token), line)
        words += [word] if word else []
        places.append(len(words))
    if not words:
        raise RecordError("no-words")
    return tuple(words), places


def parse_span(start: object, end: object, name: str, places: Sequence[int], unit: str = "words") -> Span:
    """Give the span that [start, end) has become (see `drop_blank_tokens`); raises RecordError when it is empty or not in the sentence."""
    n = len(places) - 1
    if not (type(start) is int and type(end) is int):
        raise RecordError("span-not-integers", name=name, start=start, end=end)
    if not (0 <= start <= n and 0 <= end <= n):
        raise RecordError("span-outside", name=name, start=start, end=end, length=n, unit=unit)
    span = Span(places[start], places[end]) if start < end else Span(0, 0)
    if span.start == span.end:
        raise RecordError("span-empty", name=name, start=start, end=end)
    return span


def check_pair(head: Span, tail: Span, source: ReadingContext, line: int) -> None:
    """Note a head and a tail that share words: MNRE has such pairs, one name within another, and they stay."""
    if head.start < tail.end and tail.start < head.end:
        source.warn(Message("head-tail-overlap", head=[head.start, head.end], tail=[tail.start, tail.end]), line)
