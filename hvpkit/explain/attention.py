"""Attention of words on images, from the attention of a forward pass over positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hvpkit.explain.explanation import AttentionShares
from hvpkit.explain.trace import TracedWindow
from hvpkit.inference.windows import Window, owned_spans


@dataclass(frozen=True)
class AttentionByWord:
    """Attention of the words of one example.

    Attributes:
        windows: Windows of the text.
        passes: Traced forward pass of each window.
        num_images: V, the number of image regions in the prefix.
        shown: Indices of the regions that are present.
    """

    windows: Sequence[Window]
    passes: Sequence[TracedWindow]
    num_images: int
    shown: Sequence[int]

    def for_words(self, start: int, end: int) -> AttentionShares | None:
        """Return the attention of words [start, end), from the window that owns the first of them.

        Returns:
            The attention; None if the words were not read or attention does not reach images.
        """
        index = window_index(start, self.windows)
        if index is None or self.passes[index].looks is None:
            return None
        word_of = self.passes[index].text.word_of[0] + self.windows[index].start
        positions = (word_of >= start) & (word_of < end) & (self.passes[index].text.word_of[0] >= 0)
        return self._mean(index, positions.nonzero()[:, 0].tolist())

    def _mean(self, window: int, positions: Sequence[int]) -> AttentionShares | None:
        looks = self.passes[window].looks
        if looks is None or not positions:
            return None
        rows = looks[:, positions].mean(1)  # [N, V*P + 1]
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
