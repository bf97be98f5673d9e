"""What is kept of images: pooled pyramids, on disk where the backbone is frozen, else in memory; pixels where it learns."""

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
    """What filling did: views whose features were there already, that were computed (of these, damaged before), that cannot be read."""

    kept: int = 0
    computed: int = 0
    damaged: int = 0
    unreadable: int = 0
    first_error: Message | None = None

    def count(self, batch: Sequence[ExtractedFeatures]) -> None:
        """Count a batch that was dealt with."""
        for one in batch:
            self.kept += one.levels is None and one.error is None
            self.computed += one.levels is not None
            self.damaged += one.is_corrupt
            self.unreadable += one.error is not None
            self.first_error = self.first_error or (one.error.message if one.error else None)


def populate_store(tower: VisualTower, store: FeatureStore, views: Iterable[ImageRegion], total: int | None = None) -> CacheStats:
    """Put the features of a stream of `total` views into a store, in bounded memory; raises OSError when that cannot be written."""
    filled = CacheStats()
    with FeatureExtractor(tower, store) as looker, progress("features", total) as bar:
        for batch in looker.batches(views):
            _write(store, batch)
            filled.count(batch)
            bar.advance(len(batch))
    return filled


def _write(store: FeatureStore, batch: Sequence[ExtractedFeatures]) -> None:
    fresh = {one.key: [level.numpy() for level in one.levels] for one in batch if one.levels is not None}
    if fresh:
        store.write_many(fresh)


class FeatureCache:
    """The pyramids of many views: in a store on disk, or in memory where there is none or it cannot be written, which is logged.

    A `lasting` one lets nothing go, as training needs it, which sees everything again. Worker processes that decode end with the block that
    the cache is opened in; with `pixels` images are had from there instead.
    """

    def __init__(
        self,
        tower: VisualTower,
        store: FeatureStore | None = None,
        pixels: Callable[[ImageRegion], Tensor] | None = None,
        lasting: bool = False,
    ) -> None:
        self.store, self.lasting = store, lasting  # the store while it can be written
        self._looker = FeatureExtractor(tower, store, pixels)
        self._faults: dict[ImageRegion, ImageError] = {}
        self._keys: dict[ImageRegion, bytes] = {}
        self._kept: dict[ImageRegion, Levels] = {}

    def __enter__(self) -> FeatureCache:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._looker.__exit__(kind, error, trace)

    def get(self, view: ImageRegion) -> Levels:
        """Give a view's C levels [C_i, P], computing them if need be; raises ImageError."""
        found = self._found(view)
        if found is None and view not in self._faults:
            self._keys.pop(view, None)  # damaged since it was filled
            _exhaust(self._computed([view]))
            found = self._found(view)
        if found is None:
            raise self._faults[view]
        return found

    def batch(self, views: Sequence[ImageRegion]) -> Levels:
        """Give the C levels [K, C_i, P] of K views; raises ImageError."""
        store = self._looker.store
        kept = store is not None and not self._kept and all(view in self._keys for view in views)
        found = store.read_many([self._keys[view] for view in views]) if store is not None and kept else None
        if found is None:
            return tuple(map(torch.stack, zip(*map(self.get, views), strict=True)))
        levels, scales = (map(torch.from_numpy, part) for part in found)  # NumPy takes longer to widen them
        return tuple(level.float().mul_(scale[:, None, None]) for level, scale in zip(levels, scales, strict=True))

    def error_for(self, views: Iterable[ImageRegion | None]) -> ImageError | None:
        """Give the fault of the first of these views that could not be read when it was looked at."""
        return _first_fault(self._faults, views)

    def prefetch(self, views: Iterable[ImageRegion]) -> None:
        """Have the pyramids of these views ready; of others only what is on disk stays, unless the cache is lasting."""
        wanted = dict.fromkeys(views)
        if self.store is None and not self.lasting:
            self._kept = {view: levels for view, levels in self._kept.items() if view in wanted}
            self._faults = {view: fault for view, fault in self._faults.items() if view in wanted}
        _exhaust(self._computed(wanted))

    def populate(self, views: Sequence[ImageRegion]) -> CacheStats:
        """Compute what is missing, in batches, with a progress bar, and remember the faults."""
        filled = CacheStats()
        with progress("images", len(views)) as bar:
            for batch in self._computed(views):
                filled.count(batch)
                bar.advance(len(batch))
        return filled

    def _computed(self, views: Iterable[ImageRegion]) -> Iterator[list[ExtractedFeatures]]:
        for batch in self._looker.batches(view for view in views if not self._knows(view)):
            for one in batch:
                if one.error is not None:
                    self._faults[one.view] = one.error
                elif self._looker.store is not None:
                    self._keys[one.view] = one.key
            self._keep(batch)
            yield batch

    def _knows(self, view: ImageRegion) -> bool:
        return view in self._keys or view in self._kept or view in self._faults

    def _keep(self, batch: Sequence[ExtractedFeatures]) -> None:
        if self.store is not None:
            try:
                return _write(self.store, batch)
            except OSError as error:
                log.warning(_not_kept(self.store.folder, error))
                self.store = None
        self._kept.update({one.view: one.levels for one in batch if one.levels is not None})
        return None

    def _found(self, view: ImageRegion) -> Levels | None:
        if view in self._kept or view not in self._keys or self._looker.store is None:
            return self._kept.get(view)
        levels = self._looker.store.read(self._keys[view])
        return None if levels is None else tuple(map(torch.from_numpy, levels))


def open_feature_cache(tower: VisualTower, folder: Path | None) -> FeatureCache:
    """Open the cache of a frozen tower's pyramids, in `folder` on disk, or in memory where that is None or cannot be."""
    if folder is None:
        return FeatureCache(tower, lasting=True)
    try:
        store, stale = open_feature_store(tower, folder)
    except OSError as error:
        log.warning(_not_kept(folder, error))
        return FeatureCache(tower, lasting=True)
    if stale:
        log.warning(Message("features-stale", folder=store.folder))
    return FeatureCache(tower, store, lasting=True)


def _exhaust(batches: Iterable[object]) -> None:
    for _ in batches:
        pass


def _first_fault(faults: Mapping[ImageRegion, ImageError], views: Iterable[ImageRegion | None]) -> ImageError | None:
    return next((faults[view] for view in views if view is not None and view in faults), None)


def _not_kept(folder: Path, error: OSError) -> Message:
    return Message("features-not-cached", folder=folder, reason=str(error))


class PixelCache:
    """The pixels [3, side, side] of the views that were decoded first, `most` bytes of them; others are decoded each time."""

    def __init__(self, tower: VisualTower, most: int = PIXEL_BYTES) -> None:
        self.tower, self._room = tower, most
        self._pixels: dict[ImageRegion, Tensor] = {}
        self._faults: dict[ImageRegion, ImageError] = {}

    def populate(self, views: Sequence[ImageRegion]) -> CacheStats:
        """Find out which views cannot be read, with a progress bar, and remember the faults; nothing is kept yet."""
        filled = CacheStats()
        with progress("images", len(views)) as bar:
            for batch in decode_regions(views):
                self._faults |= {one.view: one.error for one in batch if one.error is not None}
                filled.count(batch)
                bar.advance(len(batch))
        return filled

    def error_for(self, views: Iterable[ImageRegion | None]) -> ImageError | None:
        """Give the fault of the first of these views that could not be read when it was tried."""
        return _first_fault(self._faults, views)

    def get(self, view: ImageRegion) -> Tensor:
        """Give a view's pixels; raises ImageError."""
        kept = self._pixels.get(view)
        if kept is not None:
            return kept
        pixels = self.tower.load_pixels(view)
        if pixels.nbytes <= self._room:
            self._pixels[view] = pixels
            self._room -= pixels.nbytes
        return pixels
