"""Fill a feature store with a stream of image regions, and count the results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hvpkit.features.extract import ExtractedFeatures, FeatureExtractor
from hvpkit.features.store import FeatureStore
from hvpkit.images.regions import ImageRegion
from hvpkit.messages import Message
from hvpkit.model.vision.tower import VisualTower
from hvpkit.utils.progress import progress


@dataclass
class CacheStats:
    """Numbers of image regions by result.

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
    tower: VisualTower, store: FeatureStore, regions: Iterable[ImageRegion], total: int | None = None
) -> CacheStats:
    """Compute the missing features of a stream of image regions, in bounded memory.

    Args:
        tower: Frozen visual tower.
        store: Store of its features.
        regions: Image regions.
        total: Number of regions, for the progress bar.

    Raises:
        OSError: The store cannot be written.
    """
    stats = CacheStats()
    with FeatureExtractor(tower, store) as extractor, progress("features", total) as bar:
        for batch in extractor.batches(regions):
            write_features(store, batch)
            stats.count(batch)
            bar.advance(len(batch))
    return stats


def write_features(store: FeatureStore, batch: Sequence[ExtractedFeatures]) -> None:
    """Write the computed features of a batch.

    Raises:
        OSError: The store cannot be written.
    """
    computed = {item.key: [level.numpy() for level in item.levels] for item in batch if item.levels is not None}
    if computed:
        store.write_many(computed)
