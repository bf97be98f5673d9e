"""Load recipes from files, shipped recipes and YAML text, and check their components (no torch)."""

from __future__ import annotations

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
from hvpkit.messages import LocatedMessage
from hvpkit.registry import Registry


def load_recipe(path: Path | str, overrides: Sequence[str] = (), registry: Registry | None = None) -> Recipe:
    """Read a recipe file, or a shipped recipe by its bare name, and apply overrides such as `train.lr=2e-5`.

    With a registry its components are checked too. Raises RecipeError, which lists every problem as `file:line: message`.
    """
    return _load(read_config(_find(path)), overrides, registry)


def recipe_from_text(text: str, overrides: Sequence[str] = (), registry: Registry | None = None) -> Recipe:
    """Read a recipe from its YAML text, as `load_recipe` does from a file."""
    return _load(parse_config(text, "recipe"), overrides, registry)


def _load(source: ParsedConfig, overrides: Sequence[str], registry: Registry | None) -> Recipe:
    for override in overrides:
        source.override(override)
    recipe, errors = _validate(source.values, source.locations)
    problems = [*source.problems, *(format_validation_error(error, source.locations, Recipe) for error in errors)]
    if registry is not None:
        problems += _component_problems(recipe, source, [error["loc"] for error in errors], registry)
    if recipe is None or problems:
        raise RecipeError("recipe-invalid", problems=problems)
    return recipe


def shipped_recipes() -> dict[str, Path]:
    """List the recipes that come with hvpkit, by name."""
    return shipped_files()


def shipped_files(kind: str = ".") -> dict[str, Path]:
    """List the YAML files that come with hvpkit, by name: recipes, or what lies in the folder `kind` beside them."""
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


def _validate(values: dict[str, Any], origin: SourceLocations) -> tuple[Recipe | None, list[ErrorDetails]]:
    try:
        recipe = Recipe.model_validate(values)
    except ValidationError as error:
        return None, error.errors()
    recipe._origin = origin
    return recipe, []


def _component_problems(recipe: Recipe | None, source: ParsedConfig, faults: Sequence[KeyPath], registry: Registry) -> list[LocatedMessage]:
    """Check the components; of a recipe with faults, those in sections without any, if what is left still makes a recipe."""
    if ("vision",) in faults or ("fusion",) in faults:
        return []
    sound = recipe or _validate(_without(source.values, faults), source.locations)[0]
    found = compatibility_problems(sound, registry) if sound else []
    return [
        LocatedMessage(source.locations.location(*key), message) for key, message in found if key[0] not in {keys[0] for keys in faults}
    ]


def _without(values: dict[str, Any], faults: Sequence[KeyPath]) -> dict[str, Any]:
    kept = {key: value for key, value in values.items() if (key,) not in faults}
    inner = {key: [keys[1:] for keys in faults if keys[0] == key] for key in kept}
    return {key: _without(value, inner[key]) if isinstance(value, dict) else value for key, value in kept.items()}
