"""Overlapping windows of long texts, and merging of their entities.

Source: own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeVar

from hvpkit.errors import DataError
from hvpkit.types import Entity, Example

Encoded = TypeVar("Encoded")
OVERLAP_DIVISOR = 4  # a window shares the last quarter of its words with the next window


@dataclass(frozen=True)
class Window:
    """Words [start, end) of an example.

    Attributes:
        start: First word, from 0.
        end: First word after the window.
    """

    start: int
    end: int


def sliding_windows(
    example: Example, encode: Callable[[Example], Encoded], count_words: Callable[[Encoded], int], max_words: int
) -> list[tuple[Window, Encoded]]:
    """Split a text into overlapping windows and encode them; a word longer than a window is truncated.

    Args:
        example: Example to encode.
        encode: Encodes an example.
        count_words: Counts the words that fit into an encoded window; they are the first ones.
        max_words: Maximum number of words of a window.

    Raises:
        DataError: "word-not-encoded" for a word that cannot be encoded.
    """
    windows: list[tuple[Window, Encoded]] = []
    start, num_encoded, total = 0, 0, len(example.words)
    while num_encoded < total:
        words = example if start == 0 and total <= max_words else slice_example(example, start, start + max_words)
        encoded = _encode_truncated(words, encode)
        end = start + count_words(encoded)
        if end > num_encoded:
            windows.append((Window(start, end), encoded))
            start, num_encoded = max(start + 1, end - (end - start) // OVERLAP_DIVISOR), end
        elif start < num_encoded:  # the next word does not fit together with the overlap
            start = num_encoded
        else:
            raise DataError("word-not-encoded", example=example.id, position=start + 1, word=example.words[start])
    return windows


def slice_example(example: Example, start: int, end: int) -> Example:
    """Return words [start, end) of an example with their tags."""
    return replace(example, words=example.words[start:end], tags=example.tags and example.tags[start:end])


def _encode_truncated(example: Example, encode: Callable[[Example], Encoded]) -> Encoded:
    """Encode an example; halve its first word until it can be encoded."""
    try:
        return encode(example)
    except DataError:
        first, *others = example.words
        if len(first) == 1:
            raise
        return _encode_truncated(replace(example, words=(first[: len(first) // 2], *others)), encode)


def merge_predictions(windows: Sequence[tuple[Window, Sequence[Entity]]]) -> list[Entity]:
    """Merge the entities of overlapping windows.

    An entity is kept if it starts in the words that `owned_spans` assigns to its window; if entities overlap, the
    first one is kept.

    Args:
        windows: Windows with their entities, counted from the first word of the window.

    Returns:
        Entities counted from the first word of the example.
    """
    merged: list[Entity] = []
    for (window, entities), (first, last) in zip(windows, owned_spans([window for window, _ in windows]), strict=True):
        for entity in entities:
            start, end = entity.start + window.start, entity.end + window.start
            if first <= start < last and (not merged or merged[-1].end <= start):
                merged.append(replace(entity, start=start, end=end))
    return merged


def owned_spans(windows: Sequence[Window]) -> list[tuple[int, int]]:
    """Assign each word to one window: the middle of an overlap is the border between two windows.

    Returns:
        Words [start, end) of each window.
    """
    middles = [(following.start + window.end + 1) // 2 for window, following in pairwise(windows)]
    return list(zip([0, *middles], [*middles, *(window.end for window in windows[-1:])], strict=False))
