"""Which tensors a released checkpoint must hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from hvpkit.errors import ModelFolderError
from hvpkit.model import Model
from hvpkit.release.names import released
from hvpkit.types import Task

SHOWN = 8


def expected_tensors(model: Model, task: Task) -> dict[str, Tensor]:
    """Give what a checkpoint of this model must hold, unread tensors too: by their names, as tensors of that shape and type."""
    read = {str(released(name, task)): tensor for name, tensor in model.state_dict().items()}
    return read | unread_tensors(read)


def unread_tensors(read: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Make what the released code keeps but never reads: zeros of the right shape, and numbered positions."""
    positions, width = read["bert.embeddings.position_embeddings.weight"].shape
    made = {
        "bert.embeddings.position_ids": torch.arange(positions)[None],
        "bert.pooler.dense.weight": torch.zeros(width, width),
        "bert.pooler.dense.bias": torch.zeros(width),
    }
    last = [tensor for name, tensor in read.items() if name.startswith("image_model.resnet.layer4.") and tensor.dim() == 4]
    if last:
        made["image_model.resnet.fc.weight"] = torch.zeros(1000, len(last[-1]))
        made["image_model.resnet.fc.bias"] = torch.zeros(1000)
    return made


def require_all(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], checkpoint: object) -> None:
    """Refuse a checkpoint with tensors that are missing, unknown, or of another shape or type; raises ModelFolderError with their names."""
    wrong = [
        f"{name} is {_facts(tensors[name])}, expected {_facts(tensor)}"
        for name, tensor in expected.items()
        if name in tensors and _facts(tensors[name]) != _facts(tensor)
    ]
    missing, unknown = sorted(expected.keys() - tensors.keys()), sorted(tensors.keys() - expected.keys())
    faults = {"missing": missing, "unknown": unknown, "of another shape or type": wrong}
    told = [f"{len(names)} {kind}: {some(names)}" for kind, names in faults.items() if names]
    if told:
        raise ModelFolderError(f"{checkpoint} does not fit a model of the release:\n  " + "\n  ".join(told))


def _facts(tensor: Tensor) -> str:
    return f"{list(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


def some(names: Sequence[str]) -> str:
    """List the first names and count the rest."""
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
