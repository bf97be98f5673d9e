"""Saving a model to a model folder, and loading it."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from types import MappingProxyType

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from hvpkit.errors import ModelFolderError
from hvpkit.messages import Message
from hvpkit.model.model import ComponentFolders, Model, build_model
from hvpkit.saving.model_folder import (
    COMPONENT_FOLDERS,
    DESCRIPTION,
    LABELS,
    METRICS,
    RECIPE,
    WEIGHTS,
    ModelFolder,
    folder_contents,
    write_json,
)
from hvpkit.utils.atomic_write import atomic_directory

log = logging.getLogger(__name__)


def save_model(
    model: Model,
    model_folder: ModelFolder,
    card: str,
    extra_tensors: Mapping[str, Mapping[str, Tensor]] = MappingProxyType({}),
    extra_json: Mapping[str, object] = MappingProxyType({}),
) -> None:
    """Write a model folder atomically.

    Args:
        model: Model with its weights.
        model_folder: Path (which must not exist), recipe, labels, registry and metrics.
        card: Text of README.md.
        extra_tensors: Further safetensors files by name.
        extra_json: Further JSON files by name.
    """
    with atomic_directory(model_folder.folder) as draft:
        for part in COMPONENT_FOLDERS:
            (draft / part).mkdir()
        model.text.save(draft / "text")
        if model.vision is not None:
            model.vision.backbone.save(draft / "vision")
        model.fusion.save(draft / "fusion")
        (draft / RECIPE).write_text(model_folder.recipe.to_yaml(), encoding="utf-8")
        write_json(draft / LABELS, {"task": model_folder.labels.task, "names": list(model_folder.labels.names)})
        write_json(draft / METRICS, model_folder.metrics)
        (draft / "README.md").write_text(card, encoding="utf-8")
        save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, draft / WEIGHTS)
        for name, tensors in extra_tensors.items():
            save_file(dict(tensors), draft / name)
        for name, value in extra_json.items():
            write_json(draft / name, value)
        write_json(draft / DESCRIPTION, folder_contents(model_folder.recipe, model_folder.registry, draft))


def load_model(model_folder: ModelFolder, device: torch.device | str | None = None) -> Model:
    """Build the model of an opened folder and load its weights, in evaluation mode.

    Args:
        model_folder: Opened model folder.
        device: Device of the model; None takes the GPU if there is one.

    Raises:
        ModelFolderError: "model-weights-damaged" if the file cannot be read, "model-weights-mismatch" if names or
            shapes of tensors differ from the recipe's model.
    """
    started = time.perf_counter()
    model = build_model(
        model_folder.recipe, model_folder.registry, model_folder.labels, saved=ComponentFolders(model_folder.folder)
    )
    file = model_folder.folder / WEIGHTS
    try:
        state = load_file(file)
    except (OSError, SafetensorError) as error:
        raise ModelFolderError("model-weights-damaged", file=file, reason=str(error)) from error
    expected = model.state_dict()
    mismatched = [name for name in expected if name not in state or state[name].shape != expected[name].shape]
    mismatched += [name for name in state if name not in expected]
    if mismatched:
        raise ModelFolderError("model-weights-mismatch", file=file, count=len(mismatched), names=mismatched[:3])
    model.load_state_dict(state)
    target = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    model.eval().to(target)
    facts = {"parameters": sum(p.numel() for p in model.parameters()), "seconds": time.perf_counter() - started}
    log.debug(Message("model-loaded", model=model_folder.folder, device=str(target), **facts))
    return model
