"""Model folders: all files of a trained model, written atomically."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hvpkit.config.compatibility import component_plugins, component_sources, named_components
from hvpkit.config.loading import load_recipe
from hvpkit.config.recipe import Recipe
from hvpkit.errors import ComponentError, ModelFolderError
from hvpkit.messages import Message, messages_from_json, messages_to_json
from hvpkit.registry import Registry, load_registry
from hvpkit.types import Labels

FORMAT = 2
DESCRIPTION, RECIPE, LABELS, WEIGHTS, METRICS = (
    "model.json",
    "recipe.yaml",
    "labels.json",
    "weights.safetensors",
    "metrics.json",
)
COMPONENT_FOLDERS = ("text", "vision", "fusion")  # directories of the files that components save besides weights


@dataclass(frozen=True)
class ModelFolder:
    """An opened model folder, without its weights.

    Attributes:
        folder: Path of the folder.
        recipe: Recipe of the model.
        labels: Labels of the model.
        registry: Registry of the recipe's components.
        metrics: Content of metrics.json.
        changed: Notes on plugins that differ from the plugins at training.
    """

    folder: Path
    recipe: Recipe
    labels: Labels
    registry: Registry
    metrics: dict[str, Any]
    changed: tuple[Message, ...] = ()


def open_model_folder(folder: Path, plugin_files: Sequence[Path] = (), registry: Registry | None = None) -> ModelFolder:
    """Read a model folder, except its weights.

    Args:
        folder: Path of the folder.
        plugin_files: Plugin files whose components are registered.
        registry: Registry to use instead of the installed plugins and `plugin_files`.

    Raises:
        ModelFolderError: "model-folder-missing" if there is no folder, "model-format" for another format,
            "model-folder-damaged" with all files that are missing or damaged, "labels-task-mismatch" if labels and
            recipe differ in task, "components-not-installed" if a plugin is missing.
    """
    if not folder.is_dir():
        raise ModelFolderError("model-folder-missing", folder=folder)
    problems: list[Message] = []
    description, labels, metrics = (_read_json(folder / name, problems) for name in (DESCRIPTION, LABELS, METRICS))
    if isinstance(description.get("format"), int) and description["format"] != FORMAT:
        raise ModelFolderError(
            "model-format",
            folder=folder,
            found=description["format"],
            expected=FORMAT,
            writer=description.get("hvpkit"),
            version=version("hvpkit"),
        )
    problems += [] if problems else _content_problems(description, labels)
    problems += [
        Message("model-file-missing", file=name) for name in (RECIPE, WEIGHTS, "text") if not (folder / name).exists()
    ]
    problems += _file_problems(folder, description.get("files"))
    if problems:
        raise ModelFolderError("model-folder-damaged", folder=folder, damage=list(dict.fromkeys(problems)))
    recipe, registry = load_recipe(folder / RECIPE), registry or load_registry(plugin_files)
    if labels["task"] != recipe.task:
        raise ModelFolderError("labels-task-mismatch", folder=folder, found=labels["task"], expected=recipe.task)
    _require_components(folder, recipe, registry, description["components"])
    metrics = messages_from_json(metrics)
    changed = tuple(_plugin_changes(component_plugins(recipe, registry), description["components"]))
    if changed:
        metrics["notes"] = [*metrics.get("notes", ()), *changed]
    return ModelFolder(folder, recipe, Labels(recipe.task, tuple(labels["names"])), registry, metrics, changed)


def _read_json(file: Path, problems: list[Message]) -> dict[str, Any]:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(value, dict):
            return value
        problems.append(Message("model-file-no-object", file=file.name))
    except FileNotFoundError:
        problems.append(Message("model-file-missing", file=file.name))
    except (OSError, ValueError, RecursionError) as error:
        problems.append(Message("model-file-unreadable", file=file.name, reason=str(error)))
    return {}


def _content_problems(description: dict[str, Any], labels: dict[str, Any]) -> Iterator[Message]:
    """List required keys that the JSON files lack."""
    names = labels.get("names")
    if (
        not isinstance(labels.get("task"), str)
        or not isinstance(names, list)
        or not all(isinstance(name, str) for name in names)
    ):
        yield Message("labels-incomplete", file=LABELS)
    if "format" not in description or not isinstance(description.get("components"), dict):
        yield Message("description-incomplete", file=DESCRIPTION)


def _file_problems(folder: Path, files: object) -> Iterator[Message]:
    """Compare the sizes of the weights and of the components' files with the sizes in model.json."""
    for name, size in files.items() if isinstance(files, dict) else ():
        file = folder / name
        if not file.is_file():
            yield Message("model-file-missing", file=name)
        elif file.stat().st_size != size:
            yield Message("model-file-size", file=name, found=file.stat().st_size, expected=size)


def _require_components(folder: Path, recipe: Recipe, registry: Registry, sources: dict[str, str]) -> None:
    missing = []
    for kind, name in named_components(recipe):
        try:
            registry.get(kind, name)
        except ComponentError:
            source = sources.get(f"{kind} {name}", "an unknown plugin")
            missing.append(Message("component-of", kind=kind, name=name, source=source))
    if missing:
        raise ModelFolderError("components-not-installed", folder=folder, components=missing)


def _plugin_changes(plugins: dict[str, str], sources: dict[str, str]) -> Iterator[Message]:
    for component, actual in plugins.items():
        if actual != (expected := sources.get(component)):
            yield Message("plugin-changed", component=component, found=actual, expected=expected)


def folder_contents(recipe: Recipe, registry: Registry, folder: Path) -> dict[str, Any]:
    """Build the content of model.json: format, versions, sources of components, and sizes of files.

    Args:
        recipe: Recipe of the model.
        registry: Registry of the recipe's components.
        folder: Directory into which the weights and the components' files were written.
    """
    libraries = {name: version(name) for name in ("torch", "torchvision", "transformers")}
    written = (
        folder / WEIGHTS,
        *(
            file
            for component in COMPONENT_FOLDERS
            for file in sorted((folder / component).rglob("*"))
            if file.is_file()
        ),
    )
    files = {file.relative_to(folder).as_posix(): file.stat().st_size for file in written}
    versions = {"hvpkit": version("hvpkit"), "python": platform.python_version(), **libraries}
    return {"format": FORMAT, **versions, "components": component_sources(recipe, registry), "files": files}


def write_json(file: Path, value: object) -> None:
    """Write an indented JSON file, with the code and fields of messages."""
    text = json.dumps(messages_to_json(value), indent=2, ensure_ascii=False)
    file.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")  # paths may not be UTF-8


def latest_model_folder(root: Path) -> Path:
    """Return the model folder under `root` that was written last.

    Raises:
        ModelFolderError: "no-models" if there is none.
    """
    folders = [file.parent for file in _description_files(root)]
    if not folders:
        raise ModelFolderError("no-models", folder=root)
    return max(folders, key=lambda folder: (folder / DESCRIPTION).stat().st_mtime)


def _description_files(root: Path) -> Iterable[Path]:
    return (
        file
        for file in root.rglob(DESCRIPTION)
        if not any(part.startswith(".") for part in file.relative_to(root).parts)
    )
