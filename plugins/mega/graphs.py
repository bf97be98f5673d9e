"""Graph of the words and objects of an example, and the rows of its alignment by position."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import torch
from torch import Tensor

from hvpkit.interfaces import EncodedText
from hvpkit.types import Box, Example, VisualObject

from .alignment import align, keep_nearest
from .dependencies import ArcSource, is_link


def aligned_positions(word_rows: Tensor, encoded: EncodedText) -> Tensor:
    """Return for every position the row of its word, and for special tokens and markers a row of 0.

    Args:
        word_rows: Rows of all words of the example, [n, V].
        encoded: Encoded text, with its range of words.

    Returns:
        Rows by position, [T, V] float32.
    """
    inside = encoded.word_ids >= 0
    rows = word_rows[(encoded.word_ids + encoded.first_word).clamp(min=0)]
    return (rows * inside[:, None]).float()


def align_words(
    example: Example, source: ArcSource, full_image: bool, max_objects: int, nearest: int, empty_objects_seen: bool
) -> Tensor:
    """Align the words of an example with its image regions by the similarity of their nodes.

    Args:
        example: Words and objects.
        source: Where the arcs between words come from.
        full_image: Whether the first region is the full image.
        max_objects: Number of objects that count.
        nearest: Number of regions that a word is aligned with.
        empty_objects_seen: Whether missing regions count.

    Returns:
        Similarity of each word to its nearest regions, else 0, [n, V]; a link has none.
    """
    exists = existing_regions(example, full_image, max_objects)
    words, regions = len(example.words), len(exists)
    edges = [*source.arcs(example)]
    edges += [(words + one, words + other) for one, other in region_edges(example, full_image, max_objects)]
    alignment = align(words, regions, edges)
    alignment[[number for number, word in enumerate(example.words) if is_link(word)]] = 0
    return keep_nearest(alignment, torch.tensor(exists) | empty_objects_seen, nearest)


def existing_regions(example: Example, full_image: bool, max_objects: int) -> list[bool]:
    """Return which of the V image regions an example has."""
    has_image = example.image is not None
    objects = [item.image is not None or (item.box is not None and has_image) for item in example.objects[:max_objects]]
    return [*([has_image] if full_image else []), *objects, *[False] * (max_objects - len(objects))]


def region_edges(example: Example, full_image: bool, max_objects: int) -> Iterator[tuple[int, int]]:
    """Yield the edges between image regions that exist, as pairs of their indices.

    Objects are linked if they are near each other, or if the box of one is not known. The full image is linked to all.

    Args:
        example: Objects with boxes.
        full_image: Whether the first region is the full image.
        max_objects: Number of objects that count.

    Source: own.
    """
    exists = existing_regions(example, full_image, max_objects)
    objects = [None] * full_image + list(example.objects[:max_objects])
    numbers = [number for number, is_there in enumerate(exists) if is_there]
    for one, other in combinations(numbers, 2):
        if is_near(_box(objects[one]), _box(objects[other])):
            yield one, other


def is_near(one: Box | None, other: Box | None) -> bool:
    """Return whether two boxes overlap, or their centers are nearer than the mean of their four sides.

    Args:
        one: A box; None if it is not known, which counts as near.
        other: Another one.

    Source: own.
    """
    if one is None or other is None:
        return True
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    across = (one.left + one.right - other.left - other.right) / 2
    down = (one.top + one.bottom - other.top - other.bottom) / 2
    sides = [side for box in (one, other) for side in (box.right - box.left, box.bottom - box.top)]
    return bool((width > 0 and height > 0) or (across**2 + down**2) ** 0.5 < sum(sides) / 4)


def _box(visual_object: VisualObject | None) -> Box | None:
    return None if visual_object is None else visual_object.box
