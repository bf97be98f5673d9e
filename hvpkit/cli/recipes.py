"""`hvp recipes`: list or print the recipes that come with hvpkit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from hvpkit.cli import output
from hvpkit.cli.completion import complete_recipe
from hvpkit.config.loading import load_recipe, shipped_recipes
from hvpkit.config.recipe import ComponentSpec, Recipe
from hvpkit.errors import InputError, did_you_mean


@dataclass(frozen=True)
class RecipeFacts:
    """One shipped recipe.

    Attributes:
        name: Name of the recipe.
        task: "mner" or "mre".
        about: First line of the file's header.
        parts: Names of its components, in the order of the data flow.
        file: The recipe file.
    """

    name: str
    task: str
    about: str
    parts: tuple[str, ...]
    file: Path


def command(
    name: Annotated[
        str | None, typer.Argument(help="Recipe to print.", show_default=False, autocompletion=complete_recipe)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """List the recipes that come with hvpkit, or print one.

    Example: `hvp recipes hvpnet_mner > mine.yaml`
    """
    shipped = shipped_recipes()
    if name is not None and name not in shipped:
        raise InputError("unknown-shipped-recipe", name=name, hint=did_you_mean(name, shipped))
    if name is not None and not as_json:
        output.print_text(shipped[name].read_text(encoding="utf-8").rstrip("\n"))
        return
    listed = list_recipes(shipped) if name is None else list_recipes({name: shipped[name]})[0]
    if as_json:
        output.print_json(listed)
    elif isinstance(listed, list):
        rows = [(recipe.name, recipe.task, recipe.about, " > ".join(recipe.parts)) for recipe in listed]
        output.print_table(("name", "task", "what", "components"), rows)


def list_recipes(files: dict[str, Path]) -> list[RecipeFacts]:
    """Load recipe files and summarize them.

    Raises:
        RecipeError: If a recipe is invalid.
    """
    return [_recipe_facts(name, file, load_recipe(file)) for name, file in files.items()]


def _recipe_facts(name: str, file: Path, recipe: Recipe) -> RecipeFacts:
    about = file.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
    vision, fusion = recipe.vision, recipe.fusion
    flow = (vision and vision.backbone, fusion.projector, fusion.gate, fusion, recipe.text.encoder, recipe.head)
    names = (component.name if isinstance(component, ComponentSpec) else component for component in flow)
    return RecipeFacts(name, recipe.task, about, tuple(name for name in names if name and name != "none"), file)
