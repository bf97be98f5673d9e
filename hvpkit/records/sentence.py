"""Parse the words of a record, from a list of tokens or from a text, and spans counted in either."""

from __future__ import annotations

import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hvpkit.labels.word_tokenizer import tokenize
from hvpkit.records.codec import span_from_json
from hvpkit.records.issues import Issue, RecordError
from hvpkit.records.keys import describe_keys
from hvpkit.records.lines import check_encodable
from hvpkit.records.spans import drop_blank_tokens, parse_span, parse_text_span
from hvpkit.types import Span, TextSpan


@dataclass(frozen=True)
class Sentence:
    """Text and words of a record.

    Attributes:
        text: The text as given, or the tokens joined by blanks.
        words: Words with their characters.
        boundaries: Word boundary of each token boundary, [number of tokens + 1]; None for a record with a text.
    """

    text: str
    words: tuple[TextSpan, ...]
    boundaries: tuple[int, ...] | None = None

    def parse_span(self, value: object, name: str) -> TextSpan:
        """Parse a span, in tokens if the record has tokens, else in characters.

        Args:
            value: {"start", "end"}, or a list of both; a text of {"text"} must be that of the characters.
            name: Name of the span in messages.

        Returns:
            Its characters without the blanks around them.

        Raises:
            RecordError: "span-text-mismatch", or codes of `span_from_json` and `parse_text_span`.
        """
        start, end = span_from_json(value, name)
        if self.boundaries is not None:
            return self.characters(parse_span(start, end, name, self.boundaries))
        span = parse_text_span(start, end, name, self.text)
        expected, actual = value.get("text") if isinstance(value, Mapping) else None, self.text[start:end]
        if isinstance(expected, str) and not _is_same_text(expected, actual):
            raise RecordError("span-text-mismatch", name=name, expected=expected, found=actual, start=start, end=end)
        return span

    def characters(self, span: Span) -> TextSpan:
        """Return the characters of a span of words."""
        return char_span(span, self.text, self.words)

    def touched_words(self, span: TextSpan) -> Span:
        """Return the words that have characters of a span; a span that is not blank has such words."""
        first = bisect_right(self.words, span.start, key=lambda word: word.end)
        return Span(first, bisect_left(self.words, span.end, key=lambda word: word.start))


def _is_same_text(one: str, other: str) -> bool:
    """Compare texts; composed and decomposed letters are the same."""
    return unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)


def char_span(span: Span, text: str, words: Sequence[TextSpan]) -> TextSpan:
    """Return the characters of a span of words."""
    start, end = words[span.start].start, words[span.end - 1].end
    return TextSpan(text[start:end], start, end)


def parse_sentence(record: Mapping[str, object], issues: list[Issue]) -> Sentence:
    """Parse the words of a record from `tokens` or `text`.

    Args:
        record: Record without keys of null.
        issues: Receives the issues.

    Raises:
        RecordError: "no-tokens-or-text", "record-of-prepared-data", "tokens-and-text", "text-not-a-string",
            "text-without-words", "lone-surrogate", or codes of `drop_blank_tokens`.
    """
    if "tokens" not in record and "text" not in record:
        if "words" in record:
            raise RecordError("record-of-prepared-data")
        raise RecordError("no-tokens-or-text", found=describe_keys(record))
    if "tokens" in record and "text" in record:
        raise RecordError("tokens-and-text")
    if "tokens" in record:
        tokens, boundaries = drop_blank_tokens(record["tokens"], issues)
        joined, words = join_words(tokens)
        return Sentence(check_encodable(joined), words, tuple(boundaries))
    text = record["text"]
    if not isinstance(text, str):
        raise RecordError("text-not-a-string", found=text)
    words = tuple(tokenize(text))
    if not words:
        raise RecordError("text-without-words", text=text)
    return Sentence(check_encodable(text), words)


def join_words(words: Sequence[str]) -> tuple[str, tuple[TextSpan, ...]]:
    """Join words by blanks.

    Returns:
        The text, and the words with their characters.
    """
    spans, start = [], 0
    for word in words:
        spans.append(TextSpan(word, start, start + len(word)))
        start += len(word) + 1
    return " ".join(words), tuple(spans)
