"""Feature options of `hvp preprocess`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hvpkit.config.loading import load_recipe
from hvpkit.config.recipe import Recipe
from hvpkit.registry import Registry

if TYPE_CHECKING:
    from hvpkit.preprocessing.fill_features import FeatureStats


@dataclass(frozen=True)
class FeatureRequest:
    """Recipe whose image features are computed after preprocessing.

    Attributes:
        recipe: Recipe file, or the name of a shipped recipe.
        settings: Settings of the recipe, such as `vision.weights=FILE`.
    """

    recipe: str
    settings: Sequence[str] = ()

    def build(self, registry: Registry) -> Callable[[Path], FeatureStats]:
        """Build the backbone of the recipe before data is read.

        Args:
            registry: Components.

        Returns:
            A function that computes the features of a prepared folder.

        Raises:
            RecipeError: Codes of `load_recipe`.
            InputError: "features-without-images" or "backbone-changes".
        """
        recipe = load_recipe(self.recipe, self.settings, registry)
        from hvpkit.data.prepared import open_prepared
        from hvpkit.preprocessing.fill_features import build_frozen_tower, fill_features

        tower = build_frozen_tower(recipe, registry)
        return lambda folder: fill_features(tower, recipe, open_prepared(folder))


def split_settings(settings: Iterable[str]) -> tuple[list[str], list[str]]:
    """Split settings `KEY=VALUE` into those of a recipe and those of a detector, by their first key."""
    of_recipe: list[str] = []
    of_detector: list[str] = []
    for setting in settings:
        section = setting.partition("=")[0].partition(".")[0]
        (of_recipe if section in Recipe.model_fields else of_detector).append(setting)
    return of_recipe, of_detector
