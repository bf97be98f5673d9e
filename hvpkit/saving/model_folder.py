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

from hvpkit.config.compatibility import component_plugins, component_sources, named_components
from hvpkit.config.loading import load_recipe
from hvpkit.config.recipe import Recipe
from hvpkit.errors import ComponentError, ModelFolderError
from hvpkit.messages import Message
from hvpkit.registry import Registry, load_registry
from hvpkit.types import Labels
from hvpkit.utils.atomic_write import apply_umask

FORMAT = 1
DESCRIPTION, RECIPE, LABELS, WEIGHTS, METRICS = "model.json", "recipe.yaml", "labels.json", "weights.safetensors", "metrics.json"
COMPONENT_FOLDERS = ("text", "vision", "fusion")  # folders of what components keep besides weights


@dataclass(frozen=True)
class ModelFolder:
    """An opened model folder: what the model is made of, its labels, and how it scored; the weights are still on disk.

    `changed` tells of plugins that are not those it was trained with.
    """

    folder: Path
    recipe: Recipe
    labels: Labels
    registry: Registry
    metrics: dict[str, Any]
    changed: tuple[Message, ...] = ()


def open_model_folder(folder: Path, plugin_files: Sequence[Path] = (), registry: Registry | None = None) -> ModelFolder:
    """Read all but the weights (no torch); components are looked up in `registry`, or in what is installed and `plugin_files` register.

    Raises ModelFolderError, naming everything that is missing or damaged at once, for a newer format, and for a component whose plugin
    is not installed.
    """
    if not folder.is_dir():
        raise ModelFolderError("model-folder-missing", folder=folder)
    faults: list[Message] = []
    description, labels, metrics = (_read_json(folder / name, faults) for name in (DESCRIPTION, LABELS, METRICS))
    if isinstance(description.get("format"), int) and description["format"] != FORMAT:
        raise ModelFolderError(
            "model-format",
            folder=folder,
            found=description["format"],
            expected=FORMAT,
            writer=description.get("hvpkit"),
            version=version("hvpkit"),
        )
    faults += [] if faults else _content_faults(description, labels)
    faults += [Message("model-file-missing", file=name) for name in (RECIPE, WEIGHTS, "text") if not (folder / name).exists()]
    faults += _file_faults(folder, description.get("files"))
    if faults:
        raise ModelFolderError("model-folder-damaged", folder=folder, damage=list(dict.fromkeys(faults)))
    recipe, registry = load_recipe(folder / RECIPE), registry or load_registry(plugin_files)
    if labels["task"] != recipe.task:
        raise ModelFolderError("labels-task-mismatch", folder=folder, found=labels["task"], expected=recipe.task)
    _require_components(folder, recipe, registry, description["components"])
    changed = tuple(_changed(component_plugins(recipe, registry), description["components"]))
    if changed:
        metrics["remarks"] = [*metrics.get("remarks", ()), *changed]
    return ModelFolder(folder, recipe, Labels(recipe.task, tuple(labels["names"])), registry, metrics, changed)


def _read_json(file: Path, faults: list[Message]) -> dict[str, Any]:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(value, dict):
            return value
        faults.append(Message("model-file-no-object", file=file.name))
    except FileNotFoundError:
        faults.append(Message("model-file-missing", file=file.name))
    except (OSError, ValueError, RecursionError) as error:
        faults.append(Message("model-file-unreadable", file=file.name, reason=str(error)))
    return {}


def _content_faults(description: dict[str, Any], labels: dict[str, Any]) -> Iterator[Message]:
    """Find what the JSON files do not say that they must."""
    names = labels.get("names")
    if not isinstance(labels.get("task"), str) or not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        yield Message("labels-incomplete", file=LABELS)
    if "format" not in description or not isinstance(description.get("components"), dict):
        yield Message("description-incomplete", file=DESCRIPTION)


def _file_faults(folder: Path, files: object) -> Iterator[Message]:
    """Compare the files that components wrote, and the weights, with the sizes they were written with."""
    for name, size in files.items() if isinstance(files, dict) else ():
        file = folder / name
        if not file.is_file():
            yield Message("model-file-missing", file=name)
        elif file.stat().st_size != size:
            yield Message("model-file-size", file=name, found=file.stat().st_size, expected=size)


def _require_components(folder: Path, recipe: Recipe, registry: Registry, sources: dict[str, str]) -> None:
    lacking = []
    for kind, name in named_components(recipe):
        try:
            registry.get(kind, name)
        except ComponentError:
            source = sources.get(f"{kind} {name}", "an unknown plugin")
            lacking.append(Message("component-of", kind=kind, name=name, source=source))
    if lacking:
        raise ModelFolderError("components-not-installed", folder=folder, components=lacking)


def _changed(plugins: dict[str, str], sources: dict[str, str]) -> Iterator[Message]:
    for component, now in plugins.items():
        if now != (then := sources.get(component)):
            yield Message("plugin-changed", component=component, found=now, expected=then)


def folder_contents(recipe: Recipe, registry: Registry, folder: Path) -> dict[str, Any]:
    """Give model.json: format, versions, where each component came from, the sizes of what is written in `folder` already."""
    libraries = {name: version(name) for name in ("torch", "torchvision", "transformers")}
    written = (folder / WEIGHTS, *(file for part in COMPONENT_FOLDERS for file in sorted((folder / part).rglob("*")) if file.is_file()))
    files = {file.relative_to(folder).as_posix(): file.stat().st_size for file in written}
    versions = {"hvpkit": version("hvpkit"), "python": platform.python_version(), **libraries}
    return {"format": FORMAT, **versions, "components": component_sources(recipe, registry), "files": files}


@contextmanager
def atomic_directory(folder: Path) -> Iterator[Path]:
    """Give a folder beside `folder` to write into, renamed to it at the end; on an error nothing is left."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}~", dir=folder.parent))
    try:
        yield draft
        apply_umask([draft, *draft.rglob("*")])  # safetensors writes files that nobody else may read
        os.rename(draft, folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def write_json(file: Path, value: object) -> None:
    """Write a JSON file for people to read too."""
    file.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def latest_model_folder(root: Path) -> Path:
    """Find the model folder under `root` that was written last; raises ModelFolderError when there is none."""
    found = [file.parent for file in _descriptions(root)]
    if not found:
        raise ModelFolderError("no-models", folder=root)
    return max(found, key=lambda folder: (folder / DESCRIPTION).stat().st_mtime)


def _descriptions(root: Path) -> Iterable[Path]:
    return (file for file in root.rglob(DESCRIPTION) if not any(part.startswith(".") for part in file.relative_to(root).parts))
