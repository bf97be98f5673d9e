"""What is kept of pictures: pooled pyramids, on disk where the backbone is frozen, else in memory; pixels where it learns."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import torch
from torch import Tensor

from hvpkit.errors import PictureError
from hvpkit.features.extract import Levels, Looked, Looker, tried
from hvpkit.features.fingerprint import open_store
from hvpkit.features.store import FeatureStore
from hvpkit.images.regions import View
from hvpkit.messages import Message
from hvpkit.model.vision.tower import VisualTower
from hvpkit.utils.progress import progress

PIXEL_BYTES = 2**30
log = logging.getLogger(__name__)


@dataclass
class Filled:
    """What filling did: views whose features were there already, that were computed (of these, damaged before), that cannot be read."""

    kept: int = 0
    computed: int = 0
    damaged: int = 0
    unreadable: int = 0
    first_fault: Message | None = None

    def count(self, batch: Sequence[Looked]) -> None:
        """Count a batch that was dealt with."""
        for one in batch:
            self.kept += one.levels is None and one.fault is None
            self.computed += one.levels is not None
            self.damaged += one.damaged
            self.unreadable += one.fault is not None
            self.first_fault = self.first_fault or (one.fault.message if one.fault else None)


def fill_store(tower: VisualTower, store: FeatureStore, views: Iterable[View], total: int | None = None) -> Filled:
    """Put the features of a stream of `total` views into a store, in bounded memory; raises OSError when that cannot be written."""
    filled = Filled()
    with Looker(tower, store) as looker, progress("features", total) as bar:
        for batch in looker.batches(views):
            _write(store, batch)
            filled.count(batch)
            bar.advance(len(batch))
    return filled


def _write(store: FeatureStore, batch: Sequence[Looked]) -> None:
    fresh = {one.key: [level.numpy() for level in one.levels] for one in batch if one.levels is not None}
    if fresh:
        store.write(fresh)


class PyramidCache:
    """The pyramids of many views: in a store on disk, or in memory where there is none or it cannot be written, which is logged.

    A `lasting` one lets nothing go, as training needs it, which sees everything again. Worker processes that decode end with the block that
    the cache is opened in; with `pixels` pictures are had from there instead.
    """

    def __init__(
        self,
        tower: VisualTower,
        store: FeatureStore | None = None,
        pixels: Callable[[View], Tensor] | None = None,
        lasting: bool = False,
    ) -> None:
        self.store, self.lasting = store, lasting  # the store while it can be written
        self._looker = Looker(tower, store, pixels)
        self._faults: dict[View, PictureError] = {}
        self._keys: dict[View, bytes] = {}
        self._kept: dict[View, Levels] = {}

    def __enter__(self) -> PyramidCache:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._looker.__exit__(kind, error, trace)

    def of(self, view: View) -> Levels:
        """Give a view's C levels [C_i, P], computing them if need be; raises PictureError."""
        found = self._found(view)
        if found is None and view not in self._faults:
            self._keys.pop(view, None)  # damaged since it was filled
            _exhaust(self._computed([view]))
            found = self._found(view)
        if found is None:
            raise self._faults[view]
        return found

    def stacked(self, views: Sequence[View]) -> Levels:
        """Give the C levels [K, C_i, P] of K views; raises PictureError."""
        store = self._looker.store
        kept = store is not None and not self._kept and all(view in self._keys for view in views)
        found = store.read_many([self._keys[view] for view in views]) if store is not None and kept else None
        if found is None:
            return tuple(map(torch.stack, zip(*map(self.of, views), strict=True)))
        levels, scales = (map(torch.from_numpy, part) for part in found)  # NumPy takes longer to widen them
        return tuple(level.float().mul_(scale[:, None, None]) for level, scale in zip(levels, scales, strict=True))

    def fault(self, views: Iterable[View | None]) -> PictureError | None:
        """Give the fault of the first of these views that could not be read when it was looked at."""
        return _first_fault(self._faults, views)

    def hold(self, views: Iterable[View]) -> None:
        """Have the pyramids of these views ready; of others only what is on disk stays, unless the cache is lasting."""
        wanted = dict.fromkeys(views)
        if self.store is None and not self.lasting:
            self._kept = {view: levels for view, levels in self._kept.items() if view in wanted}
            self._faults = {view: fault for view, fault in self._faults.items() if view in wanted}
        _exhaust(self._computed(wanted))

    def fill(self, views: Sequence[View]) -> Filled:
        """Compute what is missing, in batches, with a progress bar, and remember the faults."""
        filled = Filled()
        with progress("pictures", len(views)) as bar:
            for batch in self._computed(views):
                filled.count(batch)
                bar.advance(len(batch))
        return filled

    def _computed(self, views: Iterable[View]) -> Iterator[list[Looked]]:
        for batch in self._looker.batches(view for view in views if not self._knows(view)):
            for one in batch:
                if one.fault is not None:
                    self._faults[one.view] = one.fault
                elif self._looker.store is not None:
                    self._keys[one.view] = one.key
            self._keep(batch)
            yield batch

    def _knows(self, view: View) -> bool:
        return view in self._keys or view in self._kept or view in self._faults

    def _keep(self, batch: Sequence[Looked]) -> None:
        if self.store is not None:
            try:
                return _write(self.store, batch)
            except OSError as error:
                log.warning(_not_kept(self.store.folder, error))
                self.store = None
        self._kept.update({one.view: one.levels for one in batch if one.levels is not None})
        return None

    def _found(self, view: View) -> Levels | None:
        if view in self._kept or view not in self._keys or self._looker.store is None:
            return self._kept.get(view)
        levels = self._looker.store.read(self._keys[view])
        return None if levels is None else tuple(map(torch.from_numpy, levels))


def open_pyramids(tower: VisualTower, folder: Path | None) -> PyramidCache:
    """Open the cache of a frozen tower's pyramids, in `folder` on disk, or in memory where that is None or cannot be."""
    if folder is None:
        return PyramidCache(tower, lasting=True)
    try:
        store, stale = open_store(tower, folder)
    except OSError as error:
        log.warning(_not_kept(folder, error))
        return PyramidCache(tower, lasting=True)
    if stale:
        log.warning(Message("features-stale", folder=store.folder))
    return PyramidCache(tower, store, lasting=True)


def _exhaust(batches: Iterable[object]) -> None:
    for _ in batches:
        pass


def _first_fault(faults: Mapping[View, PictureError], views: Iterable[View | None]) -> PictureError | None:
    return next((faults[view] for view in views if view is not None and view in faults), None)


def _not_kept(folder: Path, error: OSError) -> Message:
    return Message("features-not-cached", folder=folder, reason=str(error))


class PixelCache:
    """The pixels [3, side, side] of the views that were decoded first, `most` bytes of them; others are decoded each time."""

    def __init__(self, tower: VisualTower, most: int = PIXEL_BYTES) -> None:
        self.tower, self._room = tower, most
        self._pixels: dict[View, Tensor] = {}
        self._faults: dict[View, PictureError] = {}

    def fill(self, views: Sequence[View]) -> Filled:
        """Find out which views cannot be read, with a progress bar, and remember the faults; nothing is kept yet."""
        filled = Filled()
        with progress("pictures", len(views)) as bar:
            for batch in tried(views):
                self._faults |= {one.view: one.fault for one in batch if one.fault is not None}
                filled.count(batch)
                bar.advance(len(batch))
        return filled

    def fault(self, views: Iterable[View | None]) -> PictureError | None:
        """Give the fault of the first of these views that could not be read when it was tried."""
        return _first_fault(self._faults, views)

    def of(self, view: View) -> Tensor:
        """Give a view's pixels; raises PictureError."""
        kept = self._pixels.get(view)
        if kept is not None:
            return kept
        pixels = self.tower.look(view)
        if pixels.nbytes <= self._room:
            self._pixels[view] = pixels
            self._room -= pixels.nbytes
        return pixels
