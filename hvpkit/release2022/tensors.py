"""Tensors that a released checkpoint must contain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from hvpkit.errors import ModelFolderError
from hvpkit.messages import Message
from hvpkit.model.model import Model
from hvpkit.release2022.names import to_release_name
from hvpkit.types import Task

MAX_SHOWN = 8


def expected_tensors(model: Model, task: Task) -> dict[str, Tensor]:
    """Return tensors with the names, shapes and dtypes that a checkpoint of a model must contain.

    Args:
        model: Model of a release recipe.
        task: Task of the model.
    """
    read = {str(to_release_name(name, task)): tensor for name, tensor in model.state_dict().items()}
    return read | unread_tensors(read)


def unread_tensors(read: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Build the tensors that the released code loads but never reads: position ids, and zeros.

    Args:
        read: The other tensors of the checkpoint by name.
    """
    positions, width = read["bert.embeddings.position_embeddings.weight"].shape
    placeholders = {
        "bert.embeddings.position_ids": torch.arange(positions)[None],
        "bert.pooler.dense.weight": torch.zeros(width, width),
        "bert.pooler.dense.bias": torch.zeros(width),
    }
    layer4 = [
        tensor for name, tensor in read.items() if name.startswith("image_model.resnet.layer4.") and tensor.dim() == 4
    ]
    if layer4:
        placeholders["image_model.resnet.fc.weight"] = torch.zeros(1000, len(layer4[-1]))
        placeholders["image_model.resnet.fc.bias"] = torch.zeros(1000)
    return placeholders


def require_all(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], checkpoint: object) -> None:
    """Check names, shapes and dtypes of the tensors of a checkpoint.

    Args:
        tensors: Tensors of the checkpoint by name.
        expected: Result of `expected_tensors`.
        checkpoint: Name of the checkpoint for the error.

    Raises:
        ModelFolderError: "checkpoint-mismatch" with the names of all tensors that differ.
    """
    mismatched = [
        Message("tensor-form", name=name, found=_describe(tensors[name]), expected=_describe(tensor))
        for name, tensor in expected.items()
        if name in tensors and _describe(tensors[name]) != _describe(tensor)
    ]
    missing, unknown = sorted(expected.keys() - tensors.keys()), sorted(tensors.keys() - expected.keys())
    problems = (
        [Message("tensors-missing", count=len(missing), names=missing[:MAX_SHOWN], more=shorten_list(missing))]
        if missing
        else []
    )
    problems += (
        [Message("tensors-unknown", count=len(unknown), names=unknown[:MAX_SHOWN], more=shorten_list(unknown))]
        if unknown
        else []
    )
    problems += (
        [
            Message(
                "tensors-of-other-form",
                count=len(mismatched),
                tensors=mismatched[:MAX_SHOWN],
                more=shorten_list(mismatched),
            )
        ]
        if mismatched
        else []
    )
    if problems:
        raise ModelFolderError("checkpoint-mismatch", checkpoint=checkpoint, faults=problems)


def _describe(tensor: Tensor) -> str:
    return f"{list(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


def shorten_list(names: Sequence[str]) -> str:
    """Return the end of a list of names that is cut to MAX_SHOWN, such as " and 3 more"."""
    return f" and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else ""
