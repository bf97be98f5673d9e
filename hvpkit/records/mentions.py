"""Locate head and tail mentions in a text, given as text or as character offsets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from hvpkit.errors import DataError
from hvpkit.messages import Message
from hvpkit.types import Span, TextSpan

Mention = str | tuple[int, int]  # text ("Jun", or "17:20" for offsets), or characters [start, end)

_OFFSETS = re.compile(r"\s*([+-]?\d+)\s*:\s*([+-]?\d+)\s*")
_LIKE_OFFSETS = re.compile(r"[\s\d+-]*:[\s\d+-]*")
_MAX_LENGTH = 60


@dataclass(frozen=True)
class MentionPair:
    """Located head and tail entity.

    Attributes:
        head: Characters of the head.
        tail: Characters of the tail.
        notes: Notes on how they were located.
    """

    head: TextSpan
    tail: TextSpan
    notes: tuple[Message, ...] = ()


def locate_mentions(text: str, words: Sequence[TextSpan], head: Mention, tail: Mention) -> MentionPair:
    """Locate both mentions at their first occurrences that do not overlap.

    Whole words are preferred to parts of words. If head and tail have the same text, they are its first and second
    occurrence. Mentions may overlap if both were given as offsets.

    Args:
        text: Text that contains both.
        words: Words of the text.
        head: Head entity.
        tail: Tail entity.

    Raises:
        DataError: "mentions-overlap", "mention-not-in-text", "mention-outside-text", "mention-blank",
            "mention-blanks-alone" or "mention-not-start-end".
    """
    heads = _Occurrences.find_all(text, words, "head", head)
    tails = _Occurrences.find_all(text, words, "tail", tail)
    for first in heads.spans:
        for second in tails.spans:
            if first.end <= second.start or second.end <= first.start:
                return MentionPair(first, second, (*heads.notes(first), *tails.notes(second)))
    [first, *_], [second, *_] = heads.spans, tails.spans
    if heads.exact and tails.exact:  # some pairs of the training data overlap
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
    """Split words at the boundaries of mentions, so that each mention consists of whole words."""
    boundaries = sorted({edge for mention in mentions for edge in (mention.start, mention.end)})
    return tuple(part for word in words for part in _split_at(word, boundaries))


def _split_at(word: TextSpan, boundaries: Sequence[int]) -> Iterator[TextSpan]:
    edges = [word.start, *(boundary for boundary in boundaries if word.start < boundary < word.end), word.end]
    for start, end in zip(edges, edges[1:], strict=False):
        yield TextSpan(word.text[start - word.start : end - word.start], start, end)


def covered_words(mention: TextSpan, words: Sequence[TextSpan]) -> Span:
    """Return the words of a mention; words must be split at its boundaries."""
    inside = [i for i, word in enumerate(words) if mention.start <= word.start and word.end <= mention.end]
    return Span(inside[0], inside[-1] + 1)


@dataclass(frozen=True)
class _Occurrences:
    """Occurrences of a mention in a text.

    Attributes:
        role: "head" or "tail".
        spans: Occurrences in reading order, not empty.
        exact: Whether the mention was given as character offsets.
        part_of: Word that contains the first occurrence, None if occurrences are whole words.
        literal: Whether the mention looks like offsets but was found as text.
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
        """Find all occurrences of a mention, only those that are whole words if there are any."""
        query = mention.strip()
        if not query:
            raise DataError("mention-blank", role=role)
        spans = tuple(TextSpan(match.group(), *match.span()) for match in re.finditer(re.escape(query), text))
        offsets = _OFFSETS.fullmatch(query)
        if not spans:
            if not offsets:
                raise _not_found(text, role, query)
            return cls(role, (_span(text, role, int(offsets[1]), int(offsets[2])),), exact=True)
        starts, ends = {word.start for word in words}, {word.end for word in words}
        whole = tuple(span for span in spans if span.start in starts and span.end in ends)
        if whole:
            return cls(role, whole, literal=offsets is not None)
        part_of = next((word.text for word in words if word.start <= spans[0].start < word.end), None)
        return cls(role, spans, part_of=part_of, literal=offsets is not None)

    def notes(self, chosen: TextSpan) -> Iterator[Message]:
        """List notes on the chosen occurrence."""
        role, mention, start, end = self.role, _short(chosen.text), chosen.start, chosen.end
        if len(self.spans) > 1:
            number, count = self.spans.index(chosen) + 1, len(self.spans)
            yield Message(
                "mention-repeated", role=role, mention=mention, start=start, end=end, number=number, count=count
            )
        if self.part_of is not None and self.part_of != chosen.text:
            yield Message(
                "mention-inside-word", role=role, mention=mention, start=start, end=end, word=_short(self.part_of)
            )
        if self.literal:
            yield Message("mention-taken-literally", role=role, mention=mention)


def _not_found(text: str, role: str, query: str) -> DataError:
    if _LIKE_OFFSETS.fullmatch(query):
        return DataError("mention-not-start-end", role=role, found=query, end=min(5, len(text)))
    match = re.search(re.escape(query), text, re.IGNORECASE)
    hint = f"; did you mean {_short(match.group())!r}?" if match else ""
    return DataError("mention-not-in-text", role=role, mention=_short(query), text=_short(text), hint=hint)


def _span(text: str, role: str, start: int, end: int) -> TextSpan:
    """Return characters [start, end) without blanks around them."""
    if not 0 <= start < end <= len(text):
        raise DataError("mention-outside-text", role=role, start=start, end=end, length=len(text))
    inner = text[start:end].strip()
    if not inner:
        raise DataError("mention-blanks-alone", role=role, start=start, end=end)
    start += text[start:end].index(inner)
    return TextSpan(inner, start, start + len(inner))


def _short(text: str) -> str:
    return text if len(text) <= _MAX_LENGTH else text[: _MAX_LENGTH - 3] + "..."
