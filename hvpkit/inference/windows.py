"""Long texts: overlapping windows that leave no word unread, and their entities merged (our own)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeVar

from hvpkit.errors import DataError
from hvpkit.types import Entity, Example

Encoded = TypeVar("Encoded")
OVERLAP = 4  # a window shares a quarter of its words with the next


@dataclass(frozen=True)
class Window:
    """Words [start, end) of an example."""

    start: int
    end: int


def sliding_windows(
    example: Example, encode: Callable[[Example], Encoded], kept: Callable[[Encoded], int], most: int
) -> list[tuple[Window, Encoded]]:
    """Encode a text in as many windows as it needs, each of at most `most` words; `kept` says how many of its leading words fitted.

    A word that is longer than a whole window is read by its beginning. Raises DataError for a word of which nothing can be read.
    """
    found: list[tuple[Window, Encoded]] = []
    start, done, total = 0, 0, len(example.words)
    while done < total:
        encoded = _encode(example if start == 0 and total <= most else slice_example(example, start, start + most), encode)
        end = start + kept(encoded)
        if end > done:
            found.append((Window(start, end), encoded))
            start, done = max(start + 1, end - (end - start) // OVERLAP), end
        elif start < done:  # the next word is so long that it does not fit beside those before it
            start = done
        else:
            raise DataError("word-not-encoded", example=example.id, position=start + 1, word=example.words[start])
    return found


def slice_example(example: Example, start: int, end: int) -> Example:
    """Give words [start, end) of an example, with their tags."""
    return replace(example, words=example.words[start:end], tags=example.tags and example.tags[start:end])


def _encode(example: Example, encode: Callable[[Example], Encoded]) -> Encoded:
    try:
        return encode(example)
    except DataError:
        first, *others = example.words
        if len(first) == 1:
            raise
        return _encode(replace(example, words=(first[: len(first) // 2], *others)), encode)


def merge_predictions(parts: Sequence[tuple[Window, Sequence[Entity]]]) -> list[Entity]:
    """Join the entities of overlapping windows: each window answers for the words that `owned` gives it.

    Entities count from their window's first word; where two windows disagree on the same words, the earlier one is kept.
    """
    merged: list[Entity] = []
    for (window, entities), (first, last) in zip(parts, owned_spans([window for window, _ in parts]), strict=True):
        for entity in entities:
            start, end = entity.start + window.start, entity.end + window.start
            if first <= start < last and (not merged or merged[-1].end <= start):
                merged.append(replace(entity, start=start, end=end))
    return merged


def owned_spans(parts: Sequence[Window]) -> list[tuple[int, int]]:
    """Give the words [first, last) that each of overlapping windows answers for: up to the middle of its overlap with the next."""
    middles = [(following.start + window.end + 1) // 2 for window, following in pairwise(parts)]
    return list(zip([0, *middles], [*middles, *(window.end for window in parts[-1:])], strict=False))
