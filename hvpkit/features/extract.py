"""Looking at many pictures: files are read once, decoded in worker processes where there are many, and seen by the backbone in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from types import TracebackType

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from hvpkit.errors import PictureError
from hvpkit.features.fingerprint import view_key
from hvpkit.features.store import FeatureStore
from hvpkit.images.decode import read_content
from hvpkit.images.regions import View, open_views
from hvpkit.model.vision.tower import VisualTower
from hvpkit.utils.parallel import Workers

BATCH = 32
FEW = 32  # files whose views are looked at sooner than processes start
Levels = tuple[Tensor, ...]


@dataclass(frozen=True)
class Looked:
    """A view that was looked at: its pixels [3, side, side], then its C levels [C_i, P]; or its fault.

    With a store, `key` is its place there; it has neither pixels nor levels when its features are there already, `damaged` when they were.
    """

    view: View
    key: bytes = b""
    pixels: NDArray[np.float32] | None = None
    levels: Levels | None = None
    fault: PictureError | None = None
    damaged: bool = False


class Looker:
    """Looks through a tower's eyes. Where a store is given, what it holds is not looked at again; worker processes end with the block.

    With `pixels` (and no store) pictures are not decoded but had from there.
    """

    def __init__(self, tower: VisualTower, store: FeatureStore | None = None, pixels: Callable[[View], Tensor] | None = None) -> None:
        self.tower, self.store, self._pixels = tower, store, pixels
        self._workers = Workers(Decoder(tower, store), few=FEW, fork=True)

    def __enter__(self) -> Looker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._workers.__exit__(kind, error, trace)

    def batches(self, views: Iterable[View]) -> Iterator[list[Looked]]:
        """Go through the views in batches, each as it is known."""
        looked = self._decoded(views) if self._pixels is None else map(partial(_had, self._pixels), views)
        while batch := list(_until(looked, BATCH)):
            yield self._with_levels(batch)

    def _decoded(self, views: Iterable[View]) -> Iterator[Looked]:
        groups = (list(group) for _, group in groupby(views, lambda view: view.file))
        return (one for group in self._workers.map(groups) for one in group)

    @torch.no_grad()
    def _with_levels(self, batch: list[Looked]) -> list[Looked]:
        pixels = [torch.from_numpy(one.pixels) for one in batch if one.pixels is not None]
        if not pixels:
            return batch
        seen = self.tower.pyramid(torch.stack(pixels).to(self.tower.device))
        rows = zip(*(level.float().cpu() for level in seen), strict=True)
        return [one if one.pixels is None else replace(one, pixels=None, levels=next(rows)) for one in batch]


def tried(views: Iterable[View]) -> Iterator[list[Looked]]:
    """Try to decode views, in worker processes where there are many; gives those of a file together, with their faults alone."""
    with Workers(_tried, few=FEW, fork=True) as pool:
        yield from pool.map(list(group) for _, group in groupby(views, lambda view: view.file))


def _tried(views: list[View]) -> list[Looked]:
    found = zip(views, open_views(views), strict=True)
    return [Looked(view, fault=picture if isinstance(picture, PictureError) else None) for view, picture in found]


@dataclass(frozen=True)
class Decoder:
    """Turns the views of one file into pixels, as far as a store does not hold their features."""

    tower: VisualTower
    store: FeatureStore | None

    def __call__(self, views: list[View]) -> list[Looked]:
        """Read the file once, and decode it at most once for the whole and once for all boxes."""
        try:
            content = read_content(views[0].file)
        except PictureError as fault:
            return [Looked(view, fault=fault) for view in views]
        if self.store is None:
            return self._decoded([Looked(view) for view in views], content)
        self.store.refresh()
        looked = [Looked(view, key := view_key(content, view.box), damaged=self.store.damaged(key)) for view in views]
        missing = [one for one in looked if not self.store.holds(one.key)]
        decoded = {one.view: one for one in self._decoded(missing, content)}
        return [decoded.get(one.view, one) for one in looked]

    def _decoded(self, looked: Sequence[Looked], content: bytes) -> list[Looked]:
        pictures = open_views([one.view for one in looked], content, self.tower.backbone.ample) if looked else []
        return [self._pixels(one, picture) for one, picture in zip(looked, pictures, strict=True)]

    def _pixels(self, one: Looked, picture: Image.Image | PictureError) -> Looked:
        if isinstance(picture, PictureError):
            return replace(one, fault=picture)
        return replace(one, pixels=self.tower.transform(picture).numpy())


def _had(pixels: Callable[[View], Tensor], view: View) -> Looked:
    try:
        return Looked(view, pixels=pixels(view).numpy())
    except PictureError as fault:
        return Looked(view, fault=fault)


def _until(looked: Iterator[Looked], most: int) -> Iterator[Looked]:
    """Take looked-at views up to `most` that have pixels, and not too many others, so that progress goes on."""
    pixels = others = 0
    for one in looked:
        yield one
        pixels, others = pixels + (one.pixels is not None), others + (one.pixels is None)
        if pixels == most or others == 8 * most:
            return
