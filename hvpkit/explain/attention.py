"""From a pass's attention over positions to where words look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hvpkit.explain.explanation import AttentionShares
from hvpkit.explain.trace import TracedWindow
from hvpkit.inference.windows import Window, owned_spans


@dataclass(frozen=True)
class AttentionByWord:
    """The windows of one example with their passes; of `views` images in the prefix, those of `shown` are there."""

    windows: Sequence[Window]
    passes: Sequence[TracedWindow]
    views: int
    shown: Sequence[int]

    def for_words(self, start: int, end: int) -> AttentionShares | None:
        """Give where words [start, end) look, in the window that answers for the first of them; None where that is not known."""
        part = window_index(start, self.windows)
        if part is None or self.passes[part].looks is None:
            return None
        word_of = self.passes[part].text.word_of[0] + self.windows[part].start
        positions = (word_of >= start) & (word_of < end) & (self.passes[part].text.word_of[0] >= 0)
        return self._mean(part, positions.nonzero()[:, 0].tolist())

    def _mean(self, part: int, positions: Sequence[int]) -> AttentionShares | None:
        looks = self.passes[part].looks
        if looks is None or not positions:
            return None
        rows = looks[:, positions].mean(1)  # [N, V*P + 1]
        cells = rows[:, :-1].reshape(len(rows), self.views, -1)[:, list(self.shown)].tolist()
        return AttentionShares(tuple(tuple(tuple(image) for image in layer) for layer in cells), tuple(rows[:, -1].tolist()))


def window_index(word: int, windows: Sequence[Window]) -> int | None:
    """Give the number of the window that answers for a word; None for a word that none has read."""
    for number, (window, (first, last)) in enumerate(zip(windows, owned_spans(windows), strict=True)):
        if first <= word < last and window.start <= word:
            return number
    return None
