"""Looking at many images: files are read once, decoded in worker processes where there are many, and seen by the backbone in batches."""

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

from hvpkit.errors import ImageError
from hvpkit.features.fingerprint import region_key
from hvpkit.features.store import FeatureStore
from hvpkit.images.decode import read_image_bytes
from hvpkit.images.regions import ImageRegion, open_regions
from hvpkit.model.vision.tower import VisualTower
from hvpkit.utils.parallel import WorkerPool

BATCH = 32
FEW = 32  # files whose views are looked at sooner than processes start
Levels = tuple[Tensor, ...]


@dataclass(frozen=True)
class ExtractedFeatures:
    """A view that was looked at: its pixels [3, side, side], then its C levels [C_i, P]; or its fault.

    With a store, `key` is its place there; it has neither pixels nor levels when its features are there already, `damaged` when they were.
    """

    view: ImageRegion
    key: bytes = b""
    pixels: NDArray[np.float32] | None = None
    levels: Levels | None = None
    error: ImageError | None = None
    is_corrupt: bool = False


class FeatureExtractor:
    """Looks through a tower's eyes. Where a store is given, what it holds is not looked at again; worker processes end with the block.

    With `pixels` (and no store) images are not decoded but had from there.
    """

    def __init__(
        self, tower: VisualTower, store: FeatureStore | None = None, pixels: Callable[[ImageRegion], Tensor] | None = None
    ) -> None:
        self.tower, self.store, self._pixels = tower, store, pixels
        self._workers = WorkerPool(RegionDecoder(tower, store), few=FEW, fork=True)

    def __enter__(self) -> FeatureExtractor:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._workers.__exit__(kind, error, trace)

    def batches(self, views: Iterable[ImageRegion]) -> Iterator[list[ExtractedFeatures]]:
        """Go through the views in batches, each as it is known."""
        looked = self._decoded(views) if self._pixels is None else map(partial(_had, self._pixels), views)
        while batch := list(_until(looked, BATCH)):
            yield self._with_levels(batch)

    def _decoded(self, views: Iterable[ImageRegion]) -> Iterator[ExtractedFeatures]:
        groups = (list(group) for _, group in groupby(views, lambda view: view.file))
        return (one for group in self._workers.ordered_map(groups) for one in group)

    @torch.no_grad()
    def _with_levels(self, batch: list[ExtractedFeatures]) -> list[ExtractedFeatures]:
        pixels = [torch.from_numpy(one.pixels) for one in batch if one.pixels is not None]
        if not pixels:
            return batch
        seen = self.tower.pyramid(torch.stack(pixels).to(self.tower.device))
        rows = zip(*(level.float().cpu() for level in seen), strict=True)
        return [one if one.pixels is None else replace(one, pixels=None, levels=next(rows)) for one in batch]


def decode_regions(views: Iterable[ImageRegion]) -> Iterator[list[ExtractedFeatures]]:
    """Try to decode views, in worker processes where there are many; gives those of a file together, with their faults alone."""
    with WorkerPool(_tried, few=FEW, fork=True) as pool:
        yield from pool.ordered_map(list(group) for _, group in groupby(views, lambda view: view.file))


def _tried(views: list[ImageRegion]) -> list[ExtractedFeatures]:
    found = zip(views, open_regions(views), strict=True)
    return [ExtractedFeatures(view, error=image if isinstance(image, ImageError) else None) for view, image in found]


@dataclass(frozen=True)
class RegionDecoder:
    """Turns the views of one file into pixels, as far as a store does not hold their features."""

    tower: VisualTower
    store: FeatureStore | None

    def __call__(self, views: list[ImageRegion]) -> list[ExtractedFeatures]:
        """Read the file once, and decode it at most once for the whole and once for all boxes."""
        try:
            content = read_image_bytes(views[0].file)
        except ImageError as fault:
            return [ExtractedFeatures(view, error=fault) for view in views]
        if self.store is None:
            return self._decoded([ExtractedFeatures(view) for view in views], content)
        self.store.refresh()
        looked = [ExtractedFeatures(view, key := region_key(content, view.box), is_corrupt=self.store.is_corrupt(key)) for view in views]
        missing = [one for one in looked if not self.store.contains(one.key)]
        decoded = {one.view: one for one in self._decoded(missing, content)}
        return [decoded.get(one.view, one) for one in looked]

    def _decoded(self, looked: Sequence[ExtractedFeatures], content: bytes) -> list[ExtractedFeatures]:
        images = open_regions([one.view for one in looked], content, self.tower.backbone.min_decode_size) if looked else []
        return [self._pixels(one, image) for one, image in zip(looked, images, strict=True)]

    def _pixels(self, one: ExtractedFeatures, image: Image.Image | ImageError) -> ExtractedFeatures:
        if isinstance(image, ImageError):
            return replace(one, error=image)
        return replace(one, pixels=self.tower.transform(image).numpy())


def _had(pixels: Callable[[ImageRegion], Tensor], view: ImageRegion) -> ExtractedFeatures:
    try:
        return ExtractedFeatures(view, pixels=pixels(view).numpy())
    except ImageError as fault:
        return ExtractedFeatures(view, error=fault)


def _until(looked: Iterator[ExtractedFeatures], most: int) -> Iterator[ExtractedFeatures]:
    """Take looked-at views up to `most` that have pixels, and not too many others, so that progress goes on."""
    pixels = others = 0
    for one in looked:
        yield one
        pixels, others = pixels + (one.pixels is not None), others + (one.pixels is None)
        if pixels == most or others == 8 * most:
            return
