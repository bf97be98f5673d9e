"""What is asked of a labelled example, and what is right (no torch)."""

from __future__ import annotations

from hvpkit.labels.bio import decode_bio
from hvpkit.types import Example, Span


def gold_labels(example: Example) -> list[tuple[tuple[Span, ...], str]]:
    """Give the gold answers and where they are: an example's entities with their types, or its pair with the relation."""
    if example.relation is not None and example.head is not None and example.tail is not None:
        return [((example.head, example.tail), example.relation)]
    return [((Span(run.start, run.end),), run.type) for run in decode_bio(example.tags or ())]
