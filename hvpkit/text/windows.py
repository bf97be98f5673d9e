"""Long texts: overlapping windows that leave no word unread, and their entities merged (our own)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from hvpkit.types import Entity, Example

Encoded = TypeVar("Encoded")
OVERLAP = 4  # a window shares a quarter of its words with the next


@dataclass(frozen=True)
class Window:
    """Words [start, end) of an example."""

    start: int
    end: int


def windows(example: Example, encode: Callable[[Example], Encoded], kept: Callable[[Encoded], int]) -> list[tuple[Window, Encoded]]:
    """Encode a text in as many windows as it needs; `kept` says how many leading words of what was encoded fitted."""
    found: list[tuple[Window, Encoded]] = []
    start, total = 0, len(example.words)
    while True:
        encoded = encode(example if start == 0 else tail_of(example, start))
        end = start + kept(encoded)
        found.append((Window(start, end), encoded))
        if end >= total:
            return found
        start = max(start + 1, end - (end - start) // OVERLAP)


def tail_of(example: Example, start: int) -> Example:
    """Give the example from word `start` on."""
    return replace(example, words=example.words[start:], tags=example.tags and example.tags[start:])


def merge(parts: Sequence[tuple[Window, Sequence[Entity]]]) -> list[Entity]:
    """Join the entities of overlapping windows: each window answers for the words up to the middle of its overlap with the next.

    Entities count from their window's first word; where two windows disagree on the same words, the earlier one is kept.
    """
    merged: list[Entity] = []
    owned_from = 0
    for number, (window, entities) in enumerate(parts):
        following = parts[number + 1][0] if number + 1 < len(parts) else None
        owned_to = window.end if following is None else (following.start + window.end + 1) // 2
        for entity in entities:
            start, end = entity.start + window.start, entity.end + window.start
            if owned_from <= start < owned_to and (not merged or merged[-1].end <= start):
                merged.append(replace(entity, start=start, end=end))
        owned_from = owned_to
    return merged
