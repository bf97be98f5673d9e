"""What training keeps of pictures in memory: pooled pyramids where the backbone is frozen, pixels where it learns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import torch
from torch import Tensor

from hvpkit.vision.tower import VisualTower
from hvpkit.vision.views import View

BATCH = 32
PIXEL_BYTES = 2**30


class PyramidCache:
    """The pyramids of many views, in memory, in fp32: a few thousand numbers a view."""

    def __init__(self, tower: VisualTower) -> None:
        self.tower = tower
        self._levels: dict[View, tuple[Tensor, ...]] = {}

    def of(self, view: View) -> tuple[Tensor, ...]:
        """Give a view's C levels [C_i, P], computing them if need be; raises PictureError."""
        if view not in self._levels:
            self.fill([view])
        return self._levels[view]

    @torch.no_grad()
    def fill(self, views: Iterable[View], progress: Callable[[int], None] = lambda done: None) -> None:
        """Compute what is missing, in batches; `progress` hears how many views each batch added. Raises PictureError."""
        device = next(self.tower.parameters()).device
        for batch in _batches(dict.fromkeys(view for view in views if view not in self._levels)):
            pixels = torch.stack([self.tower.transform(view.open()) for view in batch])
            levels = [level.cpu() for level in self.tower.pyramid(pixels.to(device))]
            self._levels.update({view: tuple(level[i] for level in levels) for i, view in enumerate(batch)})
            progress(len(batch))


class PixelCache:
    """The pixels [3, side, side] of the views that were decoded first, `most` bytes of them; others are decoded each time."""

    def __init__(self, tower: VisualTower, most: int = PIXEL_BYTES) -> None:
        self.tower, self._room = tower, most
        self._pixels: dict[View, Tensor] = {}

    def of(self, view: View) -> Tensor:
        """Give a view's pixels; raises PictureError."""
        kept = self._pixels.get(view)
        if kept is not None:
            return kept
        pixels = self.tower.transform(view.open())
        if pixels.nbytes <= self._room:
            self._pixels[view] = pixels
            self._room -= pixels.nbytes
        return pixels


def _batches(views: Iterable[View]) -> Iterator[list[View]]:
    remaining = iter(views)
    while batch := list(islice(remaining, BATCH)):
        yield batch
