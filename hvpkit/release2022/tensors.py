"""Which tensors a released checkpoint must hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from hvpkit.errors import ModelFolderError
from hvpkit.messages import Message
from hvpkit.model.model import Model
from hvpkit.release2022.names import to_release_name
from hvpkit.types import Task

SHOWN = 8


def expected_tensors(model: Model, task: Task) -> dict[str, Tensor]:
    """Give what a checkpoint of this model must hold, unread tensors too: by their names, as tensors of that shape and type."""
    read = {str(to_release_name(name, task)): tensor for name, tensor in model.state_dict().items()}
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
        Message("tensor-form", name=name, found=_facts(tensors[name]), expected=_facts(tensor))
        for name, tensor in expected.items()
        if name in tensors and _facts(tensors[name]) != _facts(tensor)
    ]
    missing, unknown = sorted(expected.keys() - tensors.keys()), sorted(tensors.keys() - expected.keys())
    faults = [Message("tensors-missing", count=len(missing), names=missing[:SHOWN], more=shorten_list(missing))] if missing else []
    faults += [Message("tensors-unknown", count=len(unknown), names=unknown[:SHOWN], more=shorten_list(unknown))] if unknown else []
    faults += [Message("tensors-of-other-form", count=len(wrong), tensors=wrong[:SHOWN], more=shorten_list(wrong))] if wrong else []
    if faults:
        raise ModelFolderError("checkpoint-mismatch", checkpoint=checkpoint, faults=faults)


def _facts(tensor: Tensor) -> str:
    return f"{list(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


def shorten_list(names: Sequence[str]) -> str:
    """Count the names that are not shown, to end a list of those that are."""
    return f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
