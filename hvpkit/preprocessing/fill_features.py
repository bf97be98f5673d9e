"""Extract the image features of prepared data before training (`hvp preprocess NAME --features RECIPE`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from hvpkit.config.recipe import Recipe
from hvpkit.data.prepared import PreparedData
from hvpkit.errors import HvpkitError, ImageError, InputError
from hvpkit.features.fingerprint import NOWHERE, PLACE, feature_dir, open_feature_store
from hvpkit.features.populate import CacheStats, populate_store
from hvpkit.images.regions import ImageRegion, image_regions
from hvpkit.model.model import build_visual_tower
from hvpkit.model.vision.tower import VisualTower
from hvpkit.registry import Registry
from hvpkit.types import SPLITS, Example


@dataclass(frozen=True)
class FeatureStats:
    """Result of feature extraction.

    Attributes:
        folder: Folder of the features.
        filled: Numbers of cached, computed and unreadable image regions.
    """

    folder: Path
    filled: CacheStats


def build_frozen_tower(recipe: Recipe, registry: Registry) -> VisualTower:
    """Build the visual tower of a recipe whose features can be cached.

    Args:
        recipe: Recipe.
        registry: Components.

    Raises:
        InputError: "features-without-images" or "backbone-changes" if the features of the recipe are not cached.
    """
    tower = build_visual_tower(recipe, registry)
    if tower is None:
        raise InputError("features-without-images")
    if not tower.is_frozen:
        setting = "vision.frozen is false" if not tower.frozen else "train.backbone_mode is train"
        raise InputError("backbone-changes", setting=setting)
    return tower.eval().to("cuda" if torch.cuda.is_available() else "cpu")


def fill_features(tower: VisualTower, recipe: Recipe, data: PreparedData) -> FeatureStats:
    """Compute the missing features of all images and objects that the recipe uses.

    Args:
        tower: Frozen visual tower.
        recipe: Recipe.
        data: Prepared data.

    Raises:
        InputError: "features-kept-nowhere" if the cache is disabled.
        HvpkitError: "features-not-written" if the folder cannot be written.
    """
    folder = feature_dir(data.folder)
    if folder is None:
        raise InputError("features-kept-nowhere", variable=PLACE, value=NOWHERE)
    try:
        store = open_feature_store(tower, folder)
        count = sum(_count(example, recipe) for example in _examples(data))
        return FeatureStats(store.folder, populate_store(tower, store, _regions(data, recipe), count))
    except OSError as error:
        raise HvpkitError("features-not-written", folder=folder, reason=str(error), variable=PLACE) from error


def _examples(data: PreparedData) -> Iterator[Example]:
    return (example for split in SPLITS for example in data.stream(split))


def _regions(data: PreparedData, recipe: Recipe) -> Iterator[ImageRegion]:
    previous: tuple[ImageRegion, ...] = ()
    for example in _examples(data):
        regions = tuple(_readable_regions(example, recipe))
        yield from (region for region in regions if region not in previous)  # pairs of one tweet are consecutive
        previous = regions


def _readable_regions(example: Example, recipe: Recipe) -> Iterable[ImageRegion]:
    try:
        return [region for region in _image_regions(example, recipe) if region is not None]
    except ImageError:  # the image size is unknown, so boxes cannot be normalized; the full image reports the error
        return [] if example.image is None else [ImageRegion(example.image)]


def _image_regions(example: Example, recipe: Recipe) -> tuple[ImageRegion | None, ...]:
    vision = recipe.vision
    return () if vision is None else image_regions(example, whole=vision.full_image, objects=vision.max_objects)


def _count(example: Example, recipe: Recipe) -> int:
    vision = recipe.vision
    if vision is None:
        return 0
    return int(vision.full_image and example.image is not None) + min(len(example.objects), vision.max_objects)
