"""`hvp recipes`: the recipes that come with hvpkit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from hvpkit.cli import output
from hvpkit.config.loading import load_recipe, shipped_recipes
from hvpkit.config.recipe import ComponentSpec, Recipe
from hvpkit.errors import InputError, did_you_mean


@dataclass(frozen=True)
class RecipeFacts:
    """One shipped recipe: `about` is the first line of its header, `parts` its components in the order of the flow."""

    name: str
    task: str
    about: str
    parts: tuple[str, ...]
    file: Path


def command(
    name: Annotated[str | None, typer.Argument(help="Print this recipe's file.", show_default=False)] = None,
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
    found = list_recipes(shipped) if name is None else list_recipes({name: shipped[name]})[0]
    if as_json:
        output.print_json(found)
    elif isinstance(found, list):
        output.print_table(("name", "task", "what", "parts"), [(r.name, r.task, r.about, " > ".join(r.parts)) for r in found])


def list_recipes(files: dict[str, Path]) -> list[RecipeFacts]:
    """Say what each recipe file is; raises RecipeError for one that cannot be read."""
    return [_facts(name, file, load_recipe(file)) for name, file in files.items()]


def _facts(name: str, file: Path, recipe: Recipe) -> RecipeFacts:
    about = file.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
    vision, fusion = recipe.vision, recipe.fusion
    parts = (vision and vision.backbone, fusion.projector, fusion.gate, fusion, recipe.text.encoder, recipe.head)
    names = (part.name if isinstance(part, ComponentSpec) else part for part in parts)
    return RecipeFacts(name, recipe.task, about, tuple(part for part in names if part and part != "none"), file)
