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
OVERLAP = 4  # a window overlaps the next one by a quarter of its words


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
    example: Example, encode: Callable[[Example], Encoded], kept: Callable[[Encoded], int], most: int
) -> list[tuple[Window, Encoded]]:
    """Split a text into overlapping windows and encode them; a word longer than a window is truncated.

    Args:
        example: Example to encode.
        encode: Encodes an example.
        kept: Returns how many leading words an encoding contains.
        most: Maximum number of words of a window.

    Raises:
        DataError: "word-not-encoded" for a word that cannot be encoded.
    """
    windows: list[tuple[Window, Encoded]] = []
    start, done, total = 0, 0, len(example.words)
    while done < total:
        part = example if start == 0 and total <= most else slice_example(example, start, start + most)
        encoded = _encode_truncated(part, encode)
        end = start + kept(encoded)
        if end > done:
            windows.append((Window(start, end), encoded))
            start, done = max(start + 1, end - (end - start) // OVERLAP), end
        elif start < done:  # the next word does not fit together with the overlap
            start = done
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


def merge_predictions(parts: Sequence[tuple[Window, Sequence[Entity]]]) -> list[Entity]:
    """Merge the entities of overlapping windows.

    An entity is kept if it starts in the words that `owned_spans` assigns to its window; if entities overlap, the
    earlier is kept.

    Args:
        parts: Windows with their entities, counted from the first word of the window.

    Returns:
        Entities counted from the first word of the example.
    """
    merged: list[Entity] = []
    for (window, entities), (first, last) in zip(parts, owned_spans([window for window, _ in parts]), strict=True):
        for entity in entities:
            start, end = entity.start + window.start, entity.end + window.start
            if first <= start < last and (not merged or merged[-1].end <= start):
                merged.append(replace(entity, start=start, end=end))
    return merged


def owned_spans(parts: Sequence[Window]) -> list[tuple[int, int]]:
    """Assign each word to one of the overlapping windows: a window ends at the middle of its overlap with the next.

    Returns:
        Words [start, end) of each window.
    """
    middles = [(following.start + window.end + 1) // 2 for window, following in pairwise(parts)]
    return list(zip([0, *middles], [*middles, *(window.end for window in parts[-1:])], strict=False))
