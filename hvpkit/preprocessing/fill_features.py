"""The features of prepared data, computed before any training: `hvp preprocess NAME --features RECIPE`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from hvpkit.config.recipe import Recipe
from hvpkit.data.prepared import PreparedData
from hvpkit.errors import HvpkitError, ImageError, InputError
from hvpkit.features.cache import CacheStats, populate_store
from hvpkit.features.fingerprint import NOWHERE, PLACE, feature_dir, open_feature_store
from hvpkit.images.regions import ImageRegion, image_regions
from hvpkit.model.model import build_visual_tower
from hvpkit.model.vision.tower import VisualTower
from hvpkit.registry import Registry
from hvpkit.types import SPLITS, Example


@dataclass(frozen=True)
class FeatureStats:
    """The folder of a backbone's features, and what was done there; `stale`: it held what this backbone makes no more."""

    folder: Path
    filled: CacheStats
    stale: bool


def build_frozen_tower(recipe: Recipe, registry: Registry) -> VisualTower:
    """Build the tower whose features a recipe's training would keep; raises InputError where it keeps none."""
    tower = build_visual_tower(recipe, registry)
    if tower is None:
        raise InputError("features-without-images")
    if not tower.is_frozen:
        raise InputError("backbone-changes", setting="vision.frozen is false" if not tower.frozen else "train.backbone_mode is train")
    return tower.eval().to("cuda" if torch.cuda.is_available() else "cpu")


def fill_features(tower: VisualTower, recipe: Recipe, data: PreparedData) -> FeatureStats:
    """Compute the features of all images and objects that the recipe looks at, as far as they are not there.

    Raises InputError where features are kept nowhere, HvpkitError when the folder cannot be written.
    """
    folder = feature_dir(data.folder)
    if folder is None:
        raise InputError("features-kept-nowhere", variable=PLACE, value=NOWHERE)
    try:
        store, stale = open_feature_store(tower, folder)
        count = sum(_count(example, recipe) for example in _examples(data))
        return FeatureStats(store.folder, populate_store(tower, store, _views(data, recipe), count), stale)
    except OSError as error:
        raise HvpkitError("features-not-written", folder=folder, reason=str(error), variable=PLACE) from error


def _examples(data: PreparedData) -> Iterator[Example]:
    return (example for split in SPLITS for example in data.stream(split))


def _views(data: PreparedData, recipe: Recipe) -> Iterator[ImageRegion]:
    before: tuple[ImageRegion, ...] = ()
    for example in _examples(data):
        found = tuple(_seen(example, recipe))
        yield from (view for view in found if view not in before)  # pairs of one tweet come together
        before = found


def _seen(example: Example, recipe: Recipe) -> Iterable[ImageRegion]:
    try:
        return [view for view in _of(example, recipe) if view is not None]
    except ImageError:  # its header cannot be read, so its boxes have no place; the whole is tried, and its fault counted
        return [] if example.image is None else [ImageRegion(example.image)]


def _of(example: Example, recipe: Recipe) -> tuple[ImageRegion | None, ...]:
    vision = recipe.vision
    return () if vision is None else image_regions(example, whole=vision.full_image, objects=vision.max_objects)


def _count(example: Example, recipe: Recipe) -> int:
    vision = recipe.vision
    return 0 if vision is None else int(vision.full_image and example.image is not None) + min(len(example.objects), vision.max_objects)
