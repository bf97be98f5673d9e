"""A model folder's weights: from a model into the folder, and from the folder into a model."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from hvpkit.errors import ModelFolderError
from hvpkit.model.model import ComponentFolders, Model, build_model
from hvpkit.saving.model_folder import (
    COMPONENT_FOLDERS,
    DESCRIPTION,
    LABELS,
    METRICS,
    RECIPE,
    WEIGHTS,
    ModelFolder,
    atomic_directory,
    folder_contents,
    write_json,
)


def save_model(
    model: Model,
    what: ModelFolder,
    card: str,
    beside: Mapping[str, Mapping[str, Tensor]] = MappingProxyType({}),
    documents: Mapping[str, object] = MappingProxyType({}),
) -> None:
    """Write a whole model folder at `what.folder`, which must not exist; `card` is its README.md.

    `beside` are further files of tensors, `documents` further files of JSON.
    """
    with atomic_directory(what.folder) as draft:
        for part in COMPONENT_FOLDERS:
            (draft / part).mkdir()
        model.text.save(draft / "text")
        if model.vision is not None:
            model.vision.backbone.save(draft / "vision")
        model.fusion.save(draft / "fusion")
        (draft / RECIPE).write_text(what.recipe.to_yaml(), encoding="utf-8")
        write_json(draft / LABELS, {"task": what.labels.task, "names": list(what.labels.names)})
        write_json(draft / METRICS, what.metrics)
        (draft / "README.md").write_text(card, encoding="utf-8")
        save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, draft / WEIGHTS)
        for name, tensors in beside.items():
            save_file(dict(tensors), draft / name)
        for name, document in documents.items():
            write_json(draft / name, document)
        write_json(draft / DESCRIPTION, folder_contents(what.recipe, what.registry, draft))


def load_model(what: ModelFolder, device: torch.device | str | None = None) -> Model:
    """Build the model of an opened folder with its weights, in evaluation mode, on `device` (a GPU if there is one).

    Raises ModelFolderError when the weights are damaged or are another model's.
    """
    model = build_model(what.recipe, what.registry, what.labels, saved=ComponentFolders(what.folder))
    file = what.folder / WEIGHTS
    try:
        state = load_file(file)
    except (OSError, SafetensorError) as error:
        raise ModelFolderError("model-weights-damaged", file=file, reason=str(error)) from error
    expected = model.state_dict()
    wrong = [name for name in expected if name not in state or state[name].shape != expected[name].shape]
    wrong += [name for name in state if name not in expected]
    if wrong:
        raise ModelFolderError("model-weights-mismatch", file=file, count=len(wrong), names=wrong[:3])
    model.load_state_dict(state)
    return model.eval().to(device or ("cuda" if torch.cuda.is_available() else "cpu"))
