"""Load recipes from files, YAML text or the recipes that come with hvpkit, and validate them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from hvpkit.config.compatibility import compatibility_problems
from hvpkit.config.overrides import ParsedConfig, SourceLocations, format_validation_error, parse_config, read_config
from hvpkit.config.recipe import Recipe
from hvpkit.config.yaml_reader import KeyPath
from hvpkit.errors import RecipeError, did_you_mean
from hvpkit.messages import LocatedMessage, Message
from hvpkit.registry import Registry

log = logging.getLogger(__name__)


def load_recipe(path: Path | str, overrides: Sequence[str] = (), registry: Registry | None = None) -> Recipe:
    """Load a recipe file or a shipped recipe, apply overrides and validate the result.

    Args:
        path: File, or the name of a shipped recipe.
        overrides: Settings such as `train.lr=2e-5`.
        registry: Registry to check the components against; without one they are not checked.

    Raises:
        RecipeError: "recipe-missing", "recipe-is-folder", or "recipe-invalid" with every problem and its location.
    """
    file = _find(path)
    recipe = _load(read_config(file), overrides, registry)
    log.debug(Message("recipe-loaded", file=file, settings=list(overrides) or "none"))
    return recipe


def recipe_from_text(text: str, overrides: Sequence[str] = (), registry: Registry | None = None) -> Recipe:
    """Parse and validate a recipe from YAML text; arguments and errors as for `load_recipe`."""
    return _load(parse_config(text, "recipe"), overrides, registry)


def _load(source: ParsedConfig, overrides: Sequence[str], registry: Registry | None) -> Recipe:
    for override in overrides:
        source.override(override)
    _limit_first_evaluation(source)
    recipe, errors = _validate(source.values, source.locations)
    problems = [*source.problems, *(format_validation_error(error, source.locations, Recipe) for error in errors)]
    if registry is not None:
        problems += _component_problems(recipe, source, [error["loc"] for error in errors], registry)
    if recipe is None or problems:
        raise RecipeError("recipe-invalid", problems=problems)
    return recipe


def _limit_first_evaluation(source: ParsedConfig) -> None:
    """Lower `first_eval_epoch` of the file to a number of epochs that an override sets, so that dev is scored once."""
    train = source.values.get("train")
    if not isinstance(train, dict):
        return
    epochs, first = train.get("epochs"), train.get("first_eval_epoch")
    is_set = {
        key: source.locations.location("train", key).startswith("--set ") for key in ("epochs", "first_eval_epoch")
    }
    if is_set["epochs"] and not is_set["first_eval_epoch"] and _is_smaller(epochs, first):
        train["first_eval_epoch"] = epochs
        log.info(Message("first-evaluation-limited", first_eval_epoch=first, epochs=epochs))


def _is_smaller(epochs: object, first: object) -> bool:
    return type(epochs) is int and type(first) is int and 0 < epochs < first


def shipped_recipes() -> dict[str, Path]:
    """Map the names of the recipes that come with hvpkit to their files."""
    return shipped_files()


def shipped_files(kind: str = ".") -> dict[str, Path]:
    """Map the names of the YAML files that come with hvpkit to their paths.

    Args:
        kind: Folder relative to the recipes, such as "experiments"; by default the recipes themselves.
    """
    package = Path(__file__).parents[1]
    folder = package / "recipes" if (package / "recipes").is_dir() else package.parent / "recipes"
    return {file.stem: file for file in sorted((folder / kind).glob("*.yaml"))}


def _find(path: Path | str) -> Path:
    shipped = shipped_recipes()
    if str(path) in shipped and not Path(path).is_file():
        return shipped[str(path)]
    if not Path(path).is_file():
        hint = did_you_mean(Path(path).stem, shipped)
        if Path(path).is_dir():
            raise RecipeError("recipe-is-folder", file=path, hint=hint)
        raise RecipeError("recipe-missing", file=path, hint=hint)
    return Path(path)


def _validate(values: dict[str, Any], locations: SourceLocations) -> tuple[Recipe | None, list[ErrorDetails]]:
    try:
        recipe = Recipe.model_validate(values)
    except ValidationError as error:
        return None, error.errors()
    recipe._source_locations = locations
    return recipe, []


def _component_problems(
    recipe: Recipe | None, source: ParsedConfig, invalid_keys: Sequence[KeyPath], registry: Registry
) -> list[LocatedMessage]:
    """Check the components in sections without invalid keys, if the rest is still a valid recipe."""
    if ("vision",) in invalid_keys or ("fusion",) in invalid_keys:
        return []
    valid_recipe = recipe or _validate(_without(source.values, invalid_keys), source.locations)[0]
    problems = compatibility_problems(valid_recipe, registry) if valid_recipe else []
    invalid_sections = {keys[0] for keys in invalid_keys}
    return [
        LocatedMessage(source.locations.location(*key), message)
        for key, message in problems
        if key[0] not in invalid_sections
    ]


def _without(values: dict[str, Any], invalid_keys: Sequence[KeyPath]) -> dict[str, Any]:
    """Copy nested values without some keys."""
    kept = {key: value for key, value in values.items() if (key,) not in invalid_keys}
    inner = {key: [keys[1:] for keys in invalid_keys if keys[0] == key] for key in kept}
    return {key: _without(value, inner[key]) if isinstance(value, dict) else value for key, value in kept.items()}
