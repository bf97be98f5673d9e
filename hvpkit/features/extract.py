"""Compute image features in batches; files are decoded in worker processes."""

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
from hvpkit.features.store import MAX_SCALED_VALUE, FeatureStore
from hvpkit.images.decode import read_image_bytes
from hvpkit.images.regions import ImageRegion, open_regions
from hvpkit.model.vision.tower import VisualTower
from hvpkit.utils.parallel import WorkerPool

BATCH = 32
MIN_FILES_FOR_WORKERS = 32  # below, starting worker processes takes longer than decoding
Levels = tuple[Tensor, ...]


@dataclass(frozen=True)
class ExtractedFeatures:
    """Features of an image region, or the error of its image.

    Attributes:
        region: Image region.
        key: Key in the store; empty without a store.
        pixels: Pixels [3, side, side], before the features are computed.
        levels: C levels [C_i, P], rounded as in the store; None if the store contains them already.
        error: Error of an image that cannot be decoded.
        is_corrupt: Whether the entry in the store was corrupt.
    """

    region: ImageRegion
    key: bytes = b""
    pixels: NDArray[np.float32] | None = None
    levels: Levels | None = None
    error: ImageError | None = None
    is_corrupt: bool = False


class FeatureExtractor:
    """Compute the features of image regions; a context manager, with which worker processes end.

    Args:
        tower: Frozen visual tower.
        store: Regions whose features it contains are not computed again.
        pixels: Without a store: returns the pixels [3, side, side] of a region instead of decoding it.
    """

    def __init__(
        self,
        tower: VisualTower,
        store: FeatureStore | None = None,
        pixels: Callable[[ImageRegion], Tensor] | None = None,
    ) -> None:
        self.tower, self.store, self._pixels = tower, store, pixels
        self._workers = WorkerPool(RegionDecoder(tower, store), few=MIN_FILES_FOR_WORKERS, fork=True)

    def __enter__(self) -> FeatureExtractor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._workers.__exit__(kind, error, trace)

    def batches(self, regions: Iterable[ImageRegion], workers: int | None = None) -> Iterator[list[ExtractedFeatures]]:
        """Yield the features of image regions in batches, in order.

        Args:
            regions: Image regions.
            workers: Number of processes that decode images; None for one per core, 0 to start no process.
        """
        if self._pixels is None:
            decoded = self._decode(regions, workers)
        else:
            decoded = map(partial(_load_pixels, self._pixels), regions)
        while batch := list(_take_batch(decoded, BATCH)):
            yield self._with_levels(batch)

    def _decode(self, regions: Iterable[ImageRegion], workers: int | None) -> Iterator[ExtractedFeatures]:
        groups = (list(group) for _, group in groupby(regions, lambda region: region.image))
        return (item for group in self._workers.ordered_map(groups, workers) for item in group)

    @torch.no_grad()
    def _with_levels(self, batch: list[ExtractedFeatures]) -> list[ExtractedFeatures]:
        pixels = [torch.from_numpy(item.pixels) for item in batch if item.pixels is not None]
        if not pixels:
            return batch
        levels = self.tower.pyramid(torch.stack(pixels).to(self.tower.device))
        if self.tower.is_frozen:
            levels = tuple(map(round_to_store, levels))
        rows = zip(*(level.float().cpu() for level in levels), strict=True)
        return [item if item.pixels is None else replace(item, pixels=None, levels=next(rows)) for item in batch]


def round_to_store(level: Tensor) -> Tensor:
    """Round a level [K, C_i, P] as the store does, so that features are the same whether they were stored or not."""
    level = level.float()
    largest = level.abs().amax((1, 2)).double()
    exponent = torch.log2(largest / MAX_SCALED_VALUE).ceil().clamp(-120, 120)
    scale = torch.where((largest > 0) & largest.isfinite(), exponent.exp2(), 1.0).float()[:, None, None]
    return (level / scale).half().float() * scale


def decode_regions(regions: Iterable[ImageRegion]) -> Iterator[list[ExtractedFeatures]]:
    """Check whether image regions can be decoded, in worker processes.

    Yields:
        The regions of one file, with their errors and without features.
    """
    with WorkerPool(_check_regions, few=MIN_FILES_FOR_WORKERS, fork=True) as pool:
        yield from pool.ordered_map(list(group) for _, group in groupby(regions, lambda region: region.image))


def _check_regions(regions: list[ImageRegion]) -> list[ExtractedFeatures]:
    pairs = zip(regions, open_regions(regions), strict=True)
    return [
        ExtractedFeatures(region, error=image if isinstance(image, ImageError) else None) for region, image in pairs
    ]


@dataclass(frozen=True)
class RegionDecoder:
    """Decode the image regions of one file whose features are not in a store.

    Attributes:
        tower: Visual tower whose transform is applied.
        store: Store of its features.
    """

    tower: VisualTower
    store: FeatureStore | None

    def __call__(self, regions: list[ImageRegion]) -> list[ExtractedFeatures]:
        """Read the file once; decode it at most once for the full image and once for all boxes."""
        try:
            content = read_image_bytes(regions[0].image)
        except ImageError as error:
            return [ExtractedFeatures(region, error=error) for region in regions]
        if self.store is None:
            return self._decode([ExtractedFeatures(region) for region in regions], content)
        keys = [region_key(content, region.box) for region in regions]
        items = [
            ExtractedFeatures(region, key, is_corrupt=self.store.is_corrupt(key))
            for region, key in zip(regions, keys, strict=True)
        ]
        missing = [item for item in items if not self.store.contains(item.key)]
        decoded = {item.region: item for item in self._decode(missing, content)}
        return [decoded.get(item.region, item) for item in items]

    def _decode(self, items: Sequence[ExtractedFeatures], content: bytes) -> list[ExtractedFeatures]:
        if not items:
            return []
        images = open_regions([item.region for item in items], content, self.tower.backbone.min_decode_size)
        return [self._with_pixels(item, image) for item, image in zip(items, images, strict=True)]

    def _with_pixels(self, item: ExtractedFeatures, image: Image.Image | ImageError) -> ExtractedFeatures:
        if isinstance(image, ImageError):
            return replace(item, error=image)
        return replace(item, pixels=self.tower.transform(image).numpy())


def _load_pixels(pixels: Callable[[ImageRegion], Tensor], region: ImageRegion) -> ExtractedFeatures:
    try:
        return ExtractedFeatures(region, pixels=pixels(region).numpy())
    except ImageError as error:
        return ExtractedFeatures(region, error=error)


def _take_batch(items: Iterator[ExtractedFeatures], size: int) -> Iterator[ExtractedFeatures]:
    """Yield items up to `size` with pixels; stop after many without pixels, so that progress is shown."""
    with_pixels = without_pixels = 0
    for item in items:
        yield item
        with_pixels += item.pixels is not None
        without_pixels += item.pixels is None
        if with_pixels == size or without_pixels == 8 * size:
            return
