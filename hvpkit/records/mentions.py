"""Where head and tail stand in a text, given as words or as characters, and the words around them (no torch)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from hvpkit.errors import DataError
from hvpkit.messages import Message
from hvpkit.types import Span, TextSpan

Mention = str | tuple[int, int]  # what stands there ("Jun", or "17:20" for characters), or characters [start, end)

_PLACE = re.compile(r"\s*([+-]?\d+)\s*:\s*([+-]?\d+)\s*")
_LIKE_PLACE = re.compile(r"[\s\d+-]*:[\s\d+-]*")
_SHOWN = 60


@dataclass(frozen=True)
class MentionPair:
    """Head and tail as they stand in a text, and what the user should know of how they were found."""

    head: TextSpan
    tail: TextSpan
    remarks: tuple[Message, ...] = ()


def locate_mentions(text: str, words: Sequence[TextSpan], head: Mention, tail: Mention) -> MentionPair:
    """Find both in a text: the first places, whole words before parts of words, that do not overlap unless both were given as characters.

    A head and a tail of the same words are so the first and the second place; when there are more places than one, a remark says which was
    taken. Raises DataError for what is not in the text, lies outside it, or cannot be had without an overlap.
    """
    heads, tails = _Occurrences.find_all(text, words, "head", head), _Occurrences.find_all(text, words, "tail", tail)
    for first in heads.spans:
        for second in tails.spans:
            if first.end <= second.start or second.end <= first.start:
                return MentionPair(first, second, (*heads.remarks(first), *tails.remarks(second)))
    [first, *_], [second, *_] = heads.spans, tails.spans
    if heads.exact and tails.exact:  # as in training data, where some pairs overlap
        return MentionPair(first, second, (Message("mentions-overlap-accepted"),))
    raise DataError(
        "mentions-overlap",
        head=_short(first.text),
        head_start=first.start,
        head_end=first.end,
        tail=_short(second.text),
        tail_start=second.start,
        tail_end=second.end,
    )


def split_words_at(words: Iterable[TextSpan], mentions: Iterable[TextSpan]) -> tuple[TextSpan, ...]:
    """Cut words further at the borders of mentions, so that each mention is made of whole words."""
    borders = sorted({edge for mention in mentions for edge in (mention.start, mention.end)})
    return tuple(piece for word in words for piece in _cut(word, borders))


def _cut(word: TextSpan, borders: Sequence[int]) -> Iterator[TextSpan]:
    edges = [word.start, *(border for border in borders if word.start < border < word.end), word.end]
    for start, end in zip(edges, edges[1:], strict=False):
        yield TextSpan(word.text[start - word.start : end - word.start], start, end)


def covered_words(mention: TextSpan, words: Sequence[TextSpan]) -> Span:
    """Give the words that make up a mention; they were cut at its borders."""
    inside = [i for i, word in enumerate(words) if mention.start <= word.start and word.end <= mention.end]
    return Span(inside[0], inside[-1] + 1)


# ------------------------------------------------------------------------------------------------------------------ places
@dataclass(frozen=True)
class _Occurrences:
    """Every place where a mention may stand, in reading order; `part_of` is the word that its first place is only a part of.

    An `exact` one was given as characters; a `literal` one might have been.
    """

    role: str
    spans: tuple[TextSpan, ...]
    exact: bool = False
    part_of: str | None = None
    literal: bool = False

    @classmethod
    def find_all(cls, text: str, words: Sequence[TextSpan], role: str, mention: Mention) -> _Occurrences:
        if not isinstance(mention, str):
            return cls(role, (_span(text, role, *mention),), exact=True)
        wanted = mention.strip()
        if not wanted:
            raise DataError("mention-blank", role=role)
        found = tuple(TextSpan(match.group(), *match.span()) for match in re.finditer(re.escape(wanted), text))
        place = _PLACE.fullmatch(wanted)
        if not found:
            return cls(role, (_span(text, role, int(place[1]), int(place[2])) if place else _refuse(text, role, wanted),), exact=True)
        starts, ends = {word.start for word in words}, {word.end for word in words}
        whole = tuple(span for span in found if span.start in starts and span.end in ends)
        part_of = None if whole else next((word.text for word in words if word.start <= found[0].start < word.end), None)
        return cls(role, whole or found, part_of=part_of, literal=place is not None)

    def remarks(self, chosen: TextSpan) -> Iterator[Message]:
        """Say what the user could not know: which place was taken, and what was made of the words given."""
        role, mention, start, end = self.role, _short(chosen.text), chosen.start, chosen.end
        if len(self.spans) > 1:
            number, count = self.spans.index(chosen) + 1, len(self.spans)
            yield Message("mention-repeated", role=role, mention=mention, start=start, end=end, number=number, count=count)
        if self.part_of is not None and self.part_of != chosen.text:
            yield Message("mention-inside-word", role=role, mention=mention, start=start, end=end, word=_short(self.part_of))
        if self.literal:
            yield Message("mention-taken-literally", role=role, mention=mention)


def _refuse(text: str, role: str, wanted: str) -> TextSpan:
    if _LIKE_PLACE.fullmatch(wanted):
        raise DataError("mention-not-start-end", role=role, found=wanted, end=min(5, len(text)))
    alike = re.search(re.escape(wanted), text, re.IGNORECASE)
    hint = f"; did you mean {_short(alike.group())!r}?" if alike else ""
    raise DataError("mention-not-in-text", role=role, mention=_short(wanted), text=_short(text), hint=hint)


def _span(text: str, role: str, start: int, end: int) -> TextSpan:
    """Take characters [start, end), blanks around them left out."""
    if not 0 <= start < end <= len(text):
        raise DataError("mention-outside-text", role=role, start=start, end=end, length=len(text))
    inner = text[start:end].strip()
    if not inner:
        raise DataError("mention-blanks-alone", role=role, start=start, end=end)
    start += text[start:end].index(inner)
    return TextSpan(inner, start, start + len(inner))


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
