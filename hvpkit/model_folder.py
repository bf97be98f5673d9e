"""Model folders: everything that a trained model needs, written whole or not at all."""

from __future__ import annotations

import json
import os
import platform
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hvpkit.composition import named_components
from hvpkit.errors import ComponentError, ModelFolderError
from hvpkit.recipe import Recipe, load_recipe
from hvpkit.registry import Registry, load_registry
from hvpkit.types import Labels

FORMAT = 1
DESCRIPTION, RECIPE, LABELS, WEIGHTS, METRICS = "model.json", "recipe.yaml", "labels.json", "weights.safetensors", "metrics.json"
PARTS = ("text", "vision", "fusion")  # folders of what components keep besides weights


@dataclass(frozen=True)
class ModelFolder:
    """An opened model folder: what the model is made of, its labels, and how it scored; the weights are still on disk."""

    folder: Path
    recipe: Recipe
    labels: Labels
    registry: Registry
    metrics: dict[str, Any]


def open_model_folder(folder: Path, plugin_files: Sequence[Path] = ()) -> ModelFolder:
    """Read all but the weights (no torch).

    Raises ModelFolderError, naming everything that is missing or damaged at once, for a newer format, and for a component whose plugin
    is not installed.
    """
    if not folder.is_dir():
        raise ModelFolderError(f"there is no model folder {folder}; train one with `hvp train RECIPE`")
    missing = [name for name in (DESCRIPTION, RECIPE, LABELS, WEIGHTS, METRICS, "text") if not (folder / name).exists()]
    if missing:
        raise ModelFolderError(f"{folder} is not a whole model folder: it lacks {', '.join(missing)}")
    damaged: list[str] = []
    description, labels, metrics = (_read_json(folder / name, damaged) for name in (DESCRIPTION, LABELS, METRICS))
    if damaged:
        raise ModelFolderError(f"{folder} is damaged: {'; '.join(damaged)}")
    if description.get("format") != FORMAT:
        raise ModelFolderError(
            f"{folder} has format {description.get('format')} (written by hvpkit {description.get('hvpkit')}), this hvpkit "
            f"{version('hvpkit')} reads {FORMAT}; update hvpkit"
        )
    recipe, registry = load_recipe(folder / RECIPE), load_registry(plugin_files)
    _require_components(folder, recipe, registry, description.get("components", {}))
    try:
        return ModelFolder(folder, recipe, Labels(labels["task"], tuple(labels["names"])), registry, metrics)
    except (KeyError, TypeError) as error:
        raise ModelFolderError(f"{folder / LABELS} is damaged: it lacks {error}") from error


def _read_json(file: Path, damaged: list[str]) -> dict[str, Any]:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(value, dict):
            return value
        damaged.append(f"{file.name} holds no object")
    except (OSError, ValueError) as error:
        damaged.append(f"{file.name} ({error})")
    return {}


def _require_components(folder: Path, recipe: Recipe, registry: Registry, sources: dict[str, str]) -> None:
    lacking = []
    for kind, name in named_components(recipe):
        try:
            registry.get(kind, name)
        except ComponentError:
            lacking.append(f"{kind} {name!r} (made by {sources.get(f'{kind} {name}', 'an unknown plugin')})")
    if lacking:
        raise ModelFolderError(
            f"{folder} needs components that are not installed: {'; '.join(lacking)}; install the plugin or name it with --plugin FILE"
        )


def describe(recipe: Recipe, registry: Registry) -> dict[str, Any]:
    """Give model.json: format, versions, and where each component came from."""
    libraries = {name: version(name) for name in ("torch", "torchvision", "transformers")}
    components = {f"{kind} {name}": registry.get(kind, name).source for kind, name in named_components(recipe)}
    return {"format": FORMAT, "hvpkit": version("hvpkit"), "python": platform.python_version(), **libraries, "components": components}


@contextmanager
def written_whole(folder: Path) -> Iterator[Path]:
    """Give a folder beside `folder` to write into, renamed to it at the end; on an error nothing is left."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        yield draft
        draft.chmod(0o777 & ~_umask())
        os.rename(draft, folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_json(file: Path, value: object) -> None:
    """Write a JSON file for people to read too."""
    file.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def newest_model(root: Path) -> Path:
    """Find the model folder under `root` that was written last; raises ModelFolderError when there is none."""
    found = [file.parent for file in _descriptions(root)]
    if not found:
        raise ModelFolderError(f"there is no model under {root}/; train one with `hvp train RECIPE`, or name one with --model DIR")
    return max(found, key=lambda folder: (folder / DESCRIPTION).stat().st_mtime)


def _descriptions(root: Path) -> Iterable[Path]:
    return (file for file in root.rglob(DESCRIPTION) if not any(part.startswith(".") for part in file.relative_to(root).parts))
