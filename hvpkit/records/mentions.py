"""Locate the head and the tail of a pair in its text, given as text or as a span."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hvpkit.messages import Message
from hvpkit.records.issues import Issue, RecordError
from hvpkit.records.sentence import Sentence
from hvpkit.records.spans import parse_text_span
from hvpkit.types import Span, TextSpan

ROLES = ("head", "tail")
_OFFSETS = re.compile(r"([+-]?\d{1,9})\s*:\s*([+-]?\d{1,9})")
_LIKE_OFFSETS = re.compile(r"[\s\d+-]*:[\s\d+-]*")
_MAX_LENGTH = 60


@dataclass(frozen=True)
class MentionPair:
    """Located head and tail entity.

    Attributes:
        head: Characters of the head.
        tail: Characters of the tail.
    """

    head: TextSpan
    tail: TextSpan


def parse_pair(record: Mapping[str, object], sentence: Sentence, issues: list[Issue]) -> MentionPair:
    """Parse and locate `head` and `tail`: words of the text, or spans in the unit of the sentence.

    Args:
        record: Record without keys of null.
        sentence: Its words.
        issues: Receives the issues.

    Raises:
        RecordError: "pair-missing", "mention-missing", or codes of `locate_mentions` and `Sentence.parse_span`.
    """
    missing = [role for role in ROLES if role not in record]
    if missing:
        raise RecordError("pair-missing") if len(missing) == 2 else RecordError("mention-missing", role=missing[0])
    head, tail = (
        value if isinstance(value, str) else sentence.parse_span(value, role)
        for role, value in ((role, record[role]) for role in ROLES)
    )
    return locate_mentions(sentence.text, sentence.words, head, tail, issues)


def locate_mentions(
    text: str, words: Sequence[TextSpan], head: str | TextSpan, tail: str | TextSpan, issues: list[Issue]
) -> MentionPair:
    """Locate both mentions at their first occurrences that do not overlap.

    Whole words are preferred to parts of words. If head and tail have the same text, they are its first and second
    occurrence. Mentions may overlap if both were given as spans, because some pairs of the training data do.

    Args:
        text: Text that contains both.
        words: Words of the text.
        head: Head entity: its characters, words of the text, or "17:20" for characters [17, 20).
        tail: Tail entity, likewise.
        issues: Receives the issues.

    Raises:
        RecordError: "mentions-overlap", "mention-not-in-text", "mention-blank", "mention-not-start-end", or codes of
            `parse_text_span`.
    """
    heads, tails = _Occurrences.find_all(text, words, "head", head), _Occurrences.find_all(text, words, "tail", tail)
    first, second = _first_apart(heads.spans, tails.spans) or (heads.spans[0], tails.spans[0])
    if first.start < second.end and second.start < first.end and not (heads.exact and tails.exact):
        raise RecordError(
            "mentions-overlap",
            head=_shorten(first.text),
            head_start=first.start,
            head_end=first.end,
            tail=_shorten(second.text),
            tail_start=second.start,
            tail_end=second.end,
        )
    issues += (*heads.issues(first, words), *tails.issues(second, words))
    return MentionPair(first, second)


def _first_apart(heads: Sequence[TextSpan], tails: Sequence[TextSpan]) -> tuple[TextSpan, TextSpan] | None:
    pairs = ((head, tail) for head in heads for tail in tails)
    return next(((head, tail) for head, tail in pairs if head.end <= tail.start or tail.end <= head.start), None)


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
        exact: Whether the mention was given as a span.
        literal: Whether the mention looks like offsets but was found as text.
    """

    role: str
    spans: tuple[TextSpan, ...]
    exact: bool = False
    literal: bool = False

    @classmethod
    def find_all(cls, text: str, words: Sequence[TextSpan], role: str, mention: str | TextSpan) -> _Occurrences:
        """Find all occurrences of a mention, only those that are whole words if there are any."""
        if isinstance(mention, TextSpan):
            return cls(role, (mention,), exact=True)
        query = mention.strip()
        if not query:
            raise RecordError("mention-blank", role=role)
        spans, offsets = _find(text, query), _OFFSETS.fullmatch(query)
        if not spans and offsets:
            return cls(role, (parse_text_span(int(offsets[1]), int(offsets[2]), role, text),), exact=True)
        if not spans:
            raise _not_found(text, role, query)
        starts, ends = {word.start for word in words}, {word.end for word in words}
        whole = tuple(span for span in spans if span.start in starts and span.end in ends)
        return cls(role, whole or spans, literal=offsets is not None)

    def issues(self, chosen: TextSpan, words: Sequence[TextSpan]) -> Iterator[Issue]:
        """List issues of the chosen occurrence."""
        place = {"role": self.role, "mention": _shorten(chosen.text), "start": chosen.start, "end": chosen.end}
        if len(self.spans) > 1:
            number, count = self.spans.index(chosen) + 1, len(self.spans)
            yield Issue(Message("mention-repeated", **place, number=number, count=count), "repaired")
        if (cut := _cut_word(chosen, words)) is not None:
            yield Issue(Message("mention-inside-word", **place, word=_shorten(cut.text)), "repaired")
        if self.literal:
            mention = _shorten(chosen.text)
            yield Issue(Message("mention-taken-literally", role=self.role, mention=mention), "repaired")


def _find(text: str, query: str) -> tuple[TextSpan, ...]:
    """Find a text; if there is none, with composed or with decomposed letters."""
    forms = (query, unicodedata.normalize("NFC", query), unicodedata.normalize("NFD", query))
    form = next((form for form in forms if form in text), None)
    spans: list[TextSpan] = []
    start = -1 if form is None else text.find(form)
    while form is not None and start >= 0:
        spans.append(TextSpan(form, start, start + len(form)))
        start = text.find(form, start + len(form))
    return tuple(spans)


def _cut_word(mention: TextSpan, words: Sequence[TextSpan]) -> TextSpan | None:
    """Return the first word that a boundary of the mention cuts."""
    edges = (mention.start, mention.end)
    return next((word for word in words if any(word.start < edge < word.end for edge in edges)), None)


def _not_found(text: str, role: str, query: str) -> RecordError:
    if _LIKE_OFFSETS.fullmatch(query):
        return RecordError("mention-not-start-end", role=role, found=_shorten(query), end=min(5, len(text)))
    start, lower = text.lower().find(query.lower()), text.lower()
    other_case = text[start : start + len(query)] if start >= 0 and len(lower) == len(text) else ""
    hint = f"; did you mean {_shorten(other_case)!r}?" if other_case else ""
    return RecordError("mention-not-in-text", role=role, mention=_shorten(query), text=_shorten(text), hint=hint)


def _shorten(text: str) -> str:
    return text if len(text) <= _MAX_LENGTH else text[: _MAX_LENGTH - 3] + "..."
