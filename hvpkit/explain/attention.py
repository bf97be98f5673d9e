"""Attention of words on images, from the attention of a forward pass over positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hvpkit.explain.explanation import AttentionShares
from hvpkit.explain.trace import TracedResult
from hvpkit.inference.windows import Window, owned_spans


@dataclass(frozen=True)
class AttentionByWord:
    """Attention of the words of one example.

    Attributes:
        result: Traced windows of the example.
        num_images: V, the number of image regions in the prefix.
        shown: Indices of the regions that are present.
    """

    result: TracedResult
    num_images: int
    shown: Sequence[int]

    def for_words(self, start: int, end: int) -> AttentionShares | None:
        """Return the attention of words [start, end), from the window that owns the first of them.

        Returns:
            The attention; None if the words were not read or attention does not reach images.
        """
        windows = [window for window, _ in self.result.windows]
        index = window_index(start, windows)
        if index is None:
            return None
        traced, first_word = self.result.values[index], windows[index].start
        word_ids = traced.text.word_ids[0]  # [T], -1 for positions without a word
        positions = (word_ids >= max(0, start - first_word)) & (word_ids < end - first_word)
        if traced.attention is None or not positions.any():
            return None
        rows = traced.attention[:, positions].mean(1)  # [N, V*P + 1]
        cells = rows[:, :-1].reshape(len(rows), self.num_images, -1)[:, list(self.shown)].tolist()
        return AttentionShares(
            tuple(tuple(tuple(image) for image in layer) for layer in cells), tuple(rows[:, -1].tolist())
        )


def window_index(word: int, windows: Sequence[Window]) -> int | None:
    """Return the index of the window that owns a word; None if no window contains it.

    Args:
        word: Index of the word.
        windows: Windows of the text.
    """
    for number, (window, (first, last)) in enumerate(zip(windows, owned_spans(windows), strict=True)):
        if first <= word < last and window.start <= word:
            return number
    return None
