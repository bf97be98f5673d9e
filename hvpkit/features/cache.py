"""Caches of image features (on disk or in memory, for frozen backbones) and of pixels (for trained backbones)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import torch
from torch import Tensor

from hvpkit.errors import ImageError
from hvpkit.features.extract import ExtractedFeatures, FeatureExtractor, Levels, decode_regions
from hvpkit.features.fingerprint import open_feature_store
from hvpkit.features.store import FeatureStore
from hvpkit.images.regions import ImageRegion
from hvpkit.messages import Message
from hvpkit.model.vision.tower import VisualTower
from hvpkit.utils.progress import progress

PIXEL_BYTES = 2**30
log = logging.getLogger(__name__)


@dataclass
class CacheStats:
    """Numbers of image regions by outcome.

    Attributes:
        kept: Regions whose features were in the cache.
        computed: Regions whose features were computed.
        damaged: Computed regions whose cache entry was corrupt.
        unreadable: Regions that cannot be decoded.
        first_error: First error of an unreadable region.
    """

    kept: int = 0
    computed: int = 0
    damaged: int = 0
    unreadable: int = 0
    first_error: Message | None = None

    def count(self, batch: Sequence[ExtractedFeatures]) -> None:
        """Count the regions of a batch."""
        for item in batch:
            self.kept += item.levels is None and item.error is None
            self.computed += item.levels is not None
            self.damaged += item.is_corrupt
            self.unreadable += item.error is not None
            self.first_error = self.first_error or (item.error.message if item.error else None)


def populate_store(
    tower: VisualTower, store: FeatureStore, views: Iterable[ImageRegion], total: int | None = None
) -> CacheStats:
    """Compute the missing features of a stream of image regions, in bounded memory.

    Args:
        tower: Frozen visual tower.
        store: Store of its features.
        views: Image regions.
        total: Number of regions, for the progress bar.

    Raises:
        OSError: The store cannot be written.
    """
    stats = CacheStats()
    with FeatureExtractor(tower, store) as extractor, progress("features", total) as bar:
        for batch in extractor.batches(views):
            _write(store, batch)
            stats.count(batch)
            bar.advance(len(batch))
    return stats


def _write(store: FeatureStore, batch: Sequence[ExtractedFeatures]) -> None:
    computed = {item.key: [level.numpy() for level in item.levels] for item in batch if item.levels is not None}
    if computed:
        store.write_many(computed)


class FeatureCache:
    """Features of image regions, in a store on disk, or in memory without a store; a context manager.

    If the store cannot be written, a warning is logged and features are kept in memory. Worker processes end with the
    context.

    Args:
        tower: Frozen visual tower.
        store: Store of its features; None: memory.
        pixels: Returns the pixels [3, side, side] of a region instead of decoding it.
        lasting: Whether to keep all features in memory, as training needs them in every epoch.
    """

    def __init__(
        self,
        tower: VisualTower,
        store: FeatureStore | None = None,
        pixels: Callable[[ImageRegion], Tensor] | None = None,
        lasting: bool = False,
    ) -> None:
        self.store, self.lasting = store, lasting  # `store` becomes None when it cannot be written
        self._extractor = FeatureExtractor(tower, store, pixels)
        self._errors: dict[ImageRegion, ImageError] = {}
        self._keys: dict[ImageRegion, bytes] = {}
        self._kept: dict[ImageRegion, Levels] = {}

    def __enter__(self) -> FeatureCache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._extractor.__exit__(kind, error, trace)

    def get(self, view: ImageRegion) -> Levels:
        """Return the C levels [C_i, P] of an image region; compute them if they are missing.

        Raises:
            ImageError: The image cannot be decoded.
        """
        levels = self._find(view)
        if levels is None and view not in self._errors:
            self._keys.pop(view, None)  # the entry became corrupt
            _exhaust(self._compute([view]))
            levels = self._find(view)
        if levels is None:
            raise self._errors[view]
        return levels

    def batch(self, views: Sequence[ImageRegion]) -> Levels:
        """Return the C levels [K, C_i, P] of K image regions.

        Raises:
            ImageError: An image cannot be decoded.
        """
        store = self._extractor.store
        rows = None
        if store is not None and not self._kept and all(view in self._keys for view in views):
            rows = store.read_many([self._keys[view] for view in views])
        if rows is None:
            return tuple(map(torch.stack, zip(*map(self.get, views), strict=True)))
        levels, scales = (map(torch.from_numpy, arrays) for arrays in rows)  # torch widens float16 faster than NumPy
        return tuple(level.float().mul_(scale[:, None, None]) for level, scale in zip(levels, scales, strict=True))

    def error_for(self, views: Iterable[ImageRegion | None]) -> ImageError | None:
        """Return the error of the first of these image regions that cannot be decoded, if any."""
        return _first_error(self._errors, views)

    def prefetch(self, views: Iterable[ImageRegion]) -> None:
        """Compute the features of these image regions; unless `lasting`, drop others from memory."""
        requested = dict.fromkeys(views)
        if self.store is None and not self.lasting:
            self._kept = {view: levels for view, levels in self._kept.items() if view in requested}
            self._errors = {view: error for view, error in self._errors.items() if view in requested}
        _exhaust(self._compute(requested))

    def populate(self, views: Sequence[ImageRegion]) -> CacheStats:
        """Compute missing features in batches, with a progress bar, and remember the errors."""
        stats = CacheStats()
        with progress("images", len(views)) as bar:
            for batch in self._compute(views):
                stats.count(batch)
                bar.advance(len(batch))
        return stats

    def _compute(self, views: Iterable[ImageRegion]) -> Iterator[list[ExtractedFeatures]]:
        for batch in self._extractor.batches(view for view in views if not self._contains(view)):
            for item in batch:
                if item.error is not None:
                    self._errors[item.view] = item.error
                elif self._extractor.store is not None:
                    self._keys[item.view] = item.key
            self._keep(batch)
            yield batch

    def _contains(self, view: ImageRegion) -> bool:
        return view in self._keys or view in self._kept or view in self._errors

    def _keep(self, batch: Sequence[ExtractedFeatures]) -> None:
        if self.store is not None:
            try:
                return _write(self.store, batch)
            except OSError as error:
                log.warning(_not_cached(self.store.folder, error))
                self.store = None
        self._kept.update({item.view: item.levels for item in batch if item.levels is not None})
        return None

    def _find(self, view: ImageRegion) -> Levels | None:
        if view in self._kept or view not in self._keys or self._extractor.store is None:
            return self._kept.get(view)
        levels = self._extractor.store.read(self._keys[view])
        return None if levels is None else tuple(map(torch.from_numpy, levels))


def open_feature_cache(tower: VisualTower, folder: Path | None) -> FeatureCache:
    """Open the feature cache of a frozen tower.

    Args:
        tower: Frozen visual tower.
        folder: Folder of the stores of all backbones. None, or a folder that cannot be written: memory.
    """
    if folder is None:
        return FeatureCache(tower, lasting=True)
    try:
        store, stale = open_feature_store(tower, folder)
    except OSError as error:
        log.warning(_not_cached(folder, error))
        return FeatureCache(tower, lasting=True)
    if stale:
        log.warning(Message("features-stale", folder=store.folder))
    return FeatureCache(tower, store, lasting=True)


def _exhaust(batches: Iterable[object]) -> None:
    for _ in batches:
        pass


def _first_error(errors: Mapping[ImageRegion, ImageError], views: Iterable[ImageRegion | None]) -> ImageError | None:
    return next((errors[view] for view in views if view is not None and view in errors), None)


def _not_cached(folder: Path, error: OSError) -> Message:
    return Message("features-not-cached", folder=folder, reason=str(error))


class PixelCache:
    """Pixels [3, side, side] of image regions in memory; when it is full, other regions are decoded each time.

    Args:
        tower: Visual tower whose transform is applied.
        max_bytes: Size of the cache in bytes.
    """

    def __init__(self, tower: VisualTower, max_bytes: int = PIXEL_BYTES) -> None:
        self.tower, self._free_bytes = tower, max_bytes
        self._pixels: dict[ImageRegion, Tensor] = {}
        self._errors: dict[ImageRegion, ImageError] = {}

    def populate(self, views: Sequence[ImageRegion]) -> CacheStats:
        """Find image regions that cannot be decoded, with a progress bar; no pixels are cached yet."""
        stats = CacheStats()
        with progress("images", len(views)) as bar:
            for batch in decode_regions(views):
                self._errors |= {item.view: item.error for item in batch if item.error is not None}
                stats.count(batch)
                bar.advance(len(batch))
        return stats

    def error_for(self, views: Iterable[ImageRegion | None]) -> ImageError | None:
        """Return the error of the first of these image regions that cannot be decoded, if any."""
        return _first_error(self._errors, views)

    def get(self, view: ImageRegion) -> Tensor:
        """Return the pixels of an image region.

        Raises:
            ImageError: The image cannot be decoded.
        """
        kept = self._pixels.get(view)
        if kept is not None:
            return kept
        pixels = self.tower.load_pixels(view)
        if pixels.nbytes <= self._free_bytes:
            self._pixels[view] = pixels
            self._free_bytes -= pixels.nbytes
        return pixels
