"""Check words and spans of files."""

from __future__ import annotations

from collections.abc import Sequence

from hvpkit.messages import Message
from hvpkit.records.issues import Issue, RecordError
from hvpkit.types import Span, TextSpan


def drop_blank_tokens(tokens: object, issues: list[Issue]) -> tuple[tuple[str, ...], list[int]]:
    """Strip blanks around tokens and drop tokens that are only blanks.

    Args:
        tokens: Value of the record, n tokens.
        issues: Receives the issues.

    Returns:
        The words, and the word boundary of each token boundary, [n + 1].

    Raises:
        RecordError: "tokens-not-strings" or "no-words".
    """
    if not isinstance(tokens, (list, tuple)) or not all(isinstance(token, str) for token in tokens):
        raise RecordError("tokens-not-strings", found=tokens)
    words: list[str] = []
    boundaries = [0]
    for token in tokens:
        word = token.strip()
        if not word:
            issues.append(Issue(Message("blank-token", text=token), "dropped"))
        elif word != token:
            issues.append(Issue(Message("blanks-removed", text=token), "repaired"))
        words += [word] if word else []
        boundaries.append(len(words))
    if not words:
        raise RecordError("no-words")
    return tuple(words), boundaries


def parse_span(start: object, end: object, name: str, boundaries: Sequence[int], unit: str = "words") -> Span:
    """Convert [start, end) in tokens to a span of words.

    Args:
        start: First token.
        end: First token after the span.
        name: Name of the span in messages.
        boundaries: Word boundaries of `drop_blank_tokens`.
        unit: Unit of start and end in messages.

    Raises:
        RecordError: "span-not-integers", "span-outside" or "span-empty".
    """
    n = len(boundaries) - 1
    if not (type(start) is int and type(end) is int):
        raise RecordError("span-not-integers", name=name, start=start, end=end)
    if not (0 <= start <= n and 0 <= end <= n):
        raise RecordError("span-outside", name=name, start=start, end=end, length=n, unit=unit)
    span = Span(boundaries[start], boundaries[end]) if start < end else Span(0, 0)
    if span.start == span.end:
        raise RecordError("span-empty", name=name, start=start, end=end)
    return span


def parse_text_span(start: object, end: object, name: str, text: str) -> TextSpan:
    """Return characters [start, end) of a text without the blanks around them.

    Args:
        start: First character.
        end: First character after the span.
        name: Name of the span in messages.
        text: Text that contains the span.

    Raises:
        RecordError: "span-blank", or codes of `parse_span`.
    """
    span = parse_span(start, end, name, range(len(text) + 1), "characters")
    inner = text[span.start : span.end].strip()
    if not inner:
        raise RecordError("span-blank", name=name, start=start, end=end)
    first = span.start + text[span.start : span.end].index(inner)
    return TextSpan(inner, first, first + len(inner))


def check_pair(head: Span, tail: Span, issues: list[Issue]) -> None:
    """Note a head and a tail that share words; they are kept because MNRE has such pairs."""
    if head.start < tail.end and tail.start < head.end:
        message = Message("head-tail-overlap", head=[head.start, head.end], tail=[tail.start, tail.end])
        issues.append(Issue(message, "repaired"))
