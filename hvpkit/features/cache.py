"""Caches of image features (on disk or in memory, for frozen backbones) and of pixels (for trained backbones)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import torch
from torch import Tensor

from hvpkit.errors import ImageError
from hvpkit.features.extract import ExtractedFeatures, FeatureExtractor, Levels, decode_regions
from hvpkit.features.fingerprint import open_feature_store
from hvpkit.features.populate import CacheStats, write_features
from hvpkit.features.store import FeatureStore
from hvpkit.images.regions import ImageRegion
from hvpkit.messages import Message
from hvpkit.model.vision.tower import VisualTower
from hvpkit.utils.progress import progress

MAX_PIXEL_BYTES = 2**30
log = logging.getLogger(__name__)


class FeatureCache:
    """Features of image regions, in a store on disk or, without a store, in memory.

    If the store cannot be written, a warning is logged and features are kept in memory. As a context manager, the cache
    ends its worker processes on exit.

    Args:
        tower: Frozen visual tower.
        store: Store of its features; None to keep them in memory.
        pixels: Returns the pixels [3, side, side] of a region instead of decoding it.
        keep_all: Without a store, keep all features in memory instead of those of the last `prefetch`, as training
            needs all of them in every epoch.
    """

    def __init__(
        self,
        tower: VisualTower,
        store: FeatureStore | None = None,
        pixels: Callable[[ImageRegion], Tensor] | None = None,
        keep_all: bool = False,
    ) -> None:
        self.store, self.keep_all = store, keep_all
        self._extractor = FeatureExtractor(tower, store, pixels)
        self._is_writable = store is not None
        self._errors: dict[ImageRegion, ImageError] = {}
        self._keys: dict[ImageRegion, bytes] = {}
        self._in_memory: dict[ImageRegion, Levels] = {}

    def __enter__(self) -> FeatureCache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._extractor.__exit__(kind, error, trace)

    def get(self, region: ImageRegion) -> Levels:
        """Return the C levels [C_i, P] of an image region; compute them if they are missing.

        Raises:
            ImageError: The image cannot be decoded.
        """
        levels = self._find(region)
        if levels is None and region not in self._errors:
            self._keys.pop(region, None)  # the entry was valid before and is corrupt now
            _run_all(self._compute([region]))
            levels = self._find(region)
        if levels is None:
            raise self._errors[region]
        return levels

    def batch(self, regions: Sequence[ImageRegion]) -> Levels:
        """Return the C levels [K, C_i, P] of K image regions.

        Raises:
            ImageError: An image cannot be decoded.
        """
        rows = None
        if self.store is not None and not self._in_memory and all(region in self._keys for region in regions):
            rows = self.store.read_many([self._keys[region] for region in regions])
        if rows is None:
            return tuple(map(torch.stack, zip(*map(self.get, regions), strict=True)))
        levels, scales = (map(torch.from_numpy, arrays) for arrays in rows)  # torch widens float16 faster than NumPy
        return tuple(level.float().mul_(scale[:, None, None]) for level, scale in zip(levels, scales, strict=True))

    def error_for(self, regions: Iterable[ImageRegion | None]) -> ImageError | None:
        """Return the error of the first of these image regions that cannot be decoded, if any."""
        return _first_error(self._errors, regions)

    def prefetch(self, regions: Iterable[ImageRegion], workers: int | None = None) -> None:
        """Compute the features of these image regions; unless `keep_all`, drop others from memory.

        Args:
            regions: Image regions.
            workers: Number of processes that decode images; None for one per core, 0 to start no process.
        """
        requested = dict.fromkeys(regions)
        if not self._is_writable and not self.keep_all:
            self._in_memory = {region: levels for region, levels in self._in_memory.items() if region in requested}
            self._errors = {region: error for region, error in self._errors.items() if region in requested}
        _run_all(self._compute(requested, workers))

    def populate(self, regions: Sequence[ImageRegion]) -> CacheStats:
        """Compute missing features in batches, with a progress bar, and remember the errors."""
        stats = CacheStats()
        with progress("images", len(regions)) as bar:
            for batch in self._compute(regions):
                stats.count(batch)
                bar.advance(len(batch))
        return stats

    def _compute(self, regions: Iterable[ImageRegion], workers: int | None = None) -> Iterator[list[ExtractedFeatures]]:
        missing = (region for region in regions if not self._contains(region))
        for batch in self._extractor.batches(missing, workers):
            for item in batch:
                if item.error is not None:
                    self._errors[item.region] = item.error
                elif self.store is not None:
                    self._keys[item.region] = item.key
            self._keep(batch)
            yield batch

    def _contains(self, region: ImageRegion) -> bool:
        return region in self._keys or region in self._in_memory or region in self._errors

    def _keep(self, batch: Sequence[ExtractedFeatures]) -> None:
        if self.store is not None and self._is_writable:
            try:
                return write_features(self.store, batch)
            except OSError as error:
                log.warning(_not_cached_message(self.store.folder, error))
                self._is_writable = False
        self._in_memory.update({item.region: item.levels for item in batch if item.levels is not None})
        return None

    def _find(self, region: ImageRegion) -> Levels | None:
        if self.store is None or region in self._in_memory or region not in self._keys:
            return self._in_memory.get(region)
        levels = self.store.read(self._keys[region])
        return None if levels is None else tuple(map(torch.from_numpy, levels))


def open_feature_cache(tower: VisualTower, folder: Path | None) -> FeatureCache:
    """Open the feature cache of a frozen tower.

    Args:
        tower: Frozen visual tower.
        folder: Folder of the stores of all backbones. If it is None or cannot be written, features are kept in
            memory.
    """
    if folder is None:
        return FeatureCache(tower, keep_all=True)
    try:
        return FeatureCache(tower, open_feature_store(tower, folder), keep_all=True)
    except OSError as error:
        log.warning(_not_cached_message(folder, error))
        return FeatureCache(tower, keep_all=True)


def _run_all(batches: Iterable[object]) -> None:
    for _ in batches:
        pass


def _first_error(errors: Mapping[ImageRegion, ImageError], regions: Iterable[ImageRegion | None]) -> ImageError | None:
    return next((errors[region] for region in regions if region is not None and region in errors), None)


def _not_cached_message(folder: Path, error: OSError) -> Message:
    return Message("features-not-cached", folder=folder, reason=str(error))


class PixelCache:
    """Cache of the pixels [3, side, side] of image regions; when it is full, further regions are decoded each time.

    Args:
        tower: Visual tower whose transform is applied.
        max_bytes: Size of the cache in bytes.
    """

    def __init__(self, tower: VisualTower, max_bytes: int = MAX_PIXEL_BYTES) -> None:
        self.tower, self._free_bytes = tower, max_bytes
        self._pixels: dict[ImageRegion, Tensor] = {}
        self._errors: dict[ImageRegion, ImageError] = {}

    def populate(self, regions: Sequence[ImageRegion]) -> CacheStats:
        """Find image regions that cannot be decoded, with a progress bar; no pixels are cached yet."""
        stats = CacheStats()
        with progress("images", len(regions)) as bar:
            for batch in decode_regions(regions):
                self._errors |= {item.region: item.error for item in batch if item.error is not None}
                stats.count(batch)
                bar.advance(len(batch))
        return stats

    def error_for(self, regions: Iterable[ImageRegion | None]) -> ImageError | None:
        """Return the error of the first of these image regions that cannot be decoded, if any."""
        return _first_error(self._errors, regions)

    def get(self, region: ImageRegion) -> Tensor:
        """Return the pixels of an image region.

        Raises:
            ImageError: The image cannot be decoded.
        """
        kept = self._pixels.get(region)
        if kept is not None:
            return kept
        pixels = self.tower.load_pixels(region)
        if pixels.nbytes <= self._free_bytes:
            self._pixels[region] = pixels
            self._free_bytes -= pixels.nbytes
        return pixels
