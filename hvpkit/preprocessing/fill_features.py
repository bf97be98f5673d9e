"""The features of prepared data, computed before any training: `hvp preprocess NAME --features RECIPE`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from hvpkit.config.recipe import Recipe
from hvpkit.data.prepared import PreparedData
from hvpkit.errors import HvpkitError, InputError, PictureError
from hvpkit.features.cache import Filled, fill_store
from hvpkit.features.fingerprint import NOWHERE, PLACE, features_folder, open_store
from hvpkit.images.regions import View, views
from hvpkit.model.model import build_tower
from hvpkit.model.vision.tower import VisualTower
from hvpkit.registry import Registry
from hvpkit.types import SPLITS, Example


@dataclass(frozen=True)
class FeatureReport:
    """The folder of a backbone's features, and what was done there; `stale`: it held what this backbone makes no more."""

    folder: Path
    filled: Filled
    stale: bool


def constant_tower(recipe: Recipe, registry: Registry) -> VisualTower:
    """Build the tower whose features a recipe's training would keep; raises InputError where it keeps none."""
    tower = build_tower(recipe, registry)
    if tower is None:
        raise InputError("features-without-images")
    if not tower.constant:
        raise InputError("backbone-changes", setting="vision.frozen is false" if not tower.frozen else "train.backbone_mode is train")
    return tower.eval().to("cuda" if torch.cuda.is_available() else "cpu")


def fill_features(tower: VisualTower, recipe: Recipe, data: PreparedData) -> FeatureReport:
    """Compute the features of all pictures and objects that the recipe looks at, as far as they are not there.

    Raises InputError where features are kept nowhere, HvpkitError when the folder cannot be written.
    """
    folder = features_folder(data.folder)
    if folder is None:
        raise InputError("features-kept-nowhere", variable=PLACE, value=NOWHERE)
    try:
        store, stale = open_store(tower, folder)
        count = sum(_count(example, recipe) for example in _examples(data))
        return FeatureReport(store.folder, fill_store(tower, store, _views(data, recipe), count), stale)
    except OSError as error:
        raise HvpkitError("features-not-written", folder=folder, reason=str(error), variable=PLACE) from error


def _examples(data: PreparedData) -> Iterator[Example]:
    return (example for split in SPLITS for example in data.stream(split))


def _views(data: PreparedData, recipe: Recipe) -> Iterator[View]:
    before: tuple[View, ...] = ()
    for example in _examples(data):
        found = tuple(_seen(example, recipe))
        yield from (view for view in found if view not in before)  # pairs of one tweet come together
        before = found


def _seen(example: Example, recipe: Recipe) -> Iterable[View]:
    try:
        return [view for view in _of(example, recipe) if view is not None]
    except PictureError:  # its header cannot be read, so its boxes have no place; the whole is tried, and its fault counted
        return [] if example.image is None else [View(example.image)]


def _of(example: Example, recipe: Recipe) -> tuple[View | None, ...]:
    vision = recipe.vision
    return () if vision is None else views(example, whole=vision.whole, objects=vision.objects)


def _count(example: Example, recipe: Recipe) -> int:
    vision = recipe.vision
    return 0 if vision is None else int(vision.whole and example.image is not None) + min(len(example.objects), vision.objects)
