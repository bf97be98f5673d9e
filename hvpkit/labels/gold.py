"""Gold labels of an example, for both tasks."""

from __future__ import annotations

from hvpkit.labels.bio import decode_bio
from hvpkit.types import Example, Span


def gold_labels(example: Example) -> list[tuple[tuple[Span, ...], str]]:
    """Return the gold labels of an example with their spans.

    Returns:
        One (span,) and type for each entity, or (head, tail) and the relation.
    """
    if example.relation is not None and example.head is not None and example.tail is not None:
        return [((example.head, example.tail), example.relation)]
    return [((Span(span.start, span.end),), span.type) for span in decode_bio(example.tags or ())]
