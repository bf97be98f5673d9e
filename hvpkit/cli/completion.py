"""Values that the shell completes, found without torch; `hvp --install-completion` sets it up."""

from __future__ import annotations

from pathlib import Path

from hvpkit.config.loading import shipped_files, shipped_recipes
from hvpkit.registry import KINDS, load_registry

RUNS, DATA = Path("runs"), Path("data")


def complete_recipe(incomplete: str) -> list[str]:
    """Complete the name of a shipped recipe or a recipe file."""
    files = Path(incomplete).parent.glob("*.yaml") if incomplete else ()
    return _matching([*shipped_recipes(), *map(str, files)], incomplete)


def complete_plan(incomplete: str) -> list[str]:
    """Complete the name of a shipped plan."""
    return _matching([*shipped_files("experiments")], incomplete)


def complete_model(incomplete: str) -> list[str]:
    """Complete a model folder in `runs/`."""
    return _matching(
        [str(file.parent) for pattern in ("*", "*/*") for file in RUNS.glob(f"{pattern}/model.json")], incomplete
    )


def complete_data(incomplete: str) -> list[str]:
    """Complete the name of prepared data in `data/`."""
    return _matching([file.parent.name for file in DATA.glob("*/manifest.json")], incomplete)


def complete_dataset(incomplete: str) -> list[str]:
    """Complete the name of a dataset or format of `hvp preprocess`."""
    return _matching([*load_registry().names("reader"), "demo"], incomplete)


def complete_kind(incomplete: str) -> list[str]:
    """Complete a kind of component."""
    return _matching([*KINDS], incomplete)


def _matching(values: list[str], incomplete: str) -> list[str]:
    return sorted(value for value in set(values) if value.startswith(incomplete))
