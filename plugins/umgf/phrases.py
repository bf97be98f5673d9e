"""Edges from objects to the words of their phrases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from hvpkit.detection.noun_phrases import clean
from hvpkit.interfaces import EncodedText
from hvpkit.types import Example


def phrase_edges(example: Example, encoded: EncodedText, full_image: bool, max_objects: int) -> Tensor:
    """Link each image region to the positions of its phrase.

    An object whose phrase does not occur in the text, such as "person", is linked to all positions, and so is the full
    image.

    Args:
        example: Words, and objects with phrases.
        encoded: Encoded text, with its range of words.
        full_image: Whether the first region is the full image.
        max_objects: Number of objects that count.

    Returns:
        1 where a position and a region are linked, else 0, [T, V].

    Source: Zhang et al. 2021, as quoted in secondary texts; own: how phrases are found.
    """
    edges = torch.ones(encoded.length, int(full_image) + max_objects)
    word_ids = [number if number < 0 else number + encoded.first_word for number in encoded.word_ids.tolist()]
    for number, visual_object in enumerate(example.objects[:max_objects], int(full_image)):
        words = set(phrase_words(example.words, visual_object.phrase or ""))
        if words:
            edges[:, number] = torch.tensor([float(word in words) for word in word_ids])
    return edges


def phrase_words(words: Sequence[str], phrase: str) -> Iterator[int]:
    """Yield the indices of the words at which a phrase occurs, regardless of case; hashtags count as their words.

    Args:
        words: Words of the text.
        phrase: Words of the phrase, separated by blanks.
    """
    parts = [(part.casefold(), number) for number, word in enumerate(words) for part in clean(word)]
    wanted = phrase.casefold().split()
    for start in range(len(parts) - len(wanted) + 1 if wanted else 0):
        found = parts[start : start + len(wanted)]
        if [part for part, _ in found] == wanted:
            yield from (number for _, number in found)
