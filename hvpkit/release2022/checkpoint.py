"""Reading and writing of released checkpoints: state dicts, plain or nested under one key."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from hvpkit.errors import ModelFolderError
from hvpkit.model.vision.torchvision_backbone import load_weights_file
from hvpkit.utils.atomic_write import atomic_file, check_overwrite

WRAPPERS = ("state_dict", "model_state_dict", "model")
PARALLEL = "module."  # prefix of all names in DataParallel checkpoints


def read_checkpoint(file: Path) -> dict[str, Tensor]:
    """Load the tensors of a checkpoint by name.

    The file is read with `weights_only`, so that no code in it is executed.

    Args:
        file: State dict, or a dict that holds one under a key.

    Raises:
        ModelFolderError: "no-checkpoint" if the file is missing, "no-state-dict" or "not-a-state-dict" if it has none.
    """
    if not file.is_file():
        raise ModelFolderError("no-checkpoint", file=file)
    tensors = _state_dict(load_weights_file(file), file)
    if all(name.startswith(PARALLEL) for name in tensors):
        return {name[len(PARALLEL) :]: tensor for name, tensor in tensors.items()}
    return dict(tensors)


def _state_dict(content: object, file: Path) -> Mapping[str, Tensor]:
    if _is_state_dict(content):
        return content  # type: ignore[return-value]
    if isinstance(content, Mapping):
        wrapped = [key for key, value in content.items() if _is_state_dict(value)]
        key = next((name for name in WRAPPERS if name in wrapped), wrapped[0] if len(wrapped) == 1 else None)
        if key is not None:
            return content[key]  # type: ignore[no-any-return]
        raise ModelFolderError(
            "no-state-dict", file=file, expected=WRAPPERS, found=[str(key) for key in list(content)[:8]]
        )
    raise ModelFolderError("not-a-state-dict", file=file, found=type(content).__name__)


def _is_state_dict(value: object) -> bool:
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in value.items())
    )


def write_checkpoint(tensors: dict[str, Tensor], file: Path) -> None:
    """Write a state dict atomically.

    Raises:
        InputError: "output-exists" if the file exists.
    """
    check_overwrite(file)
    with atomic_file(file) as draft:
        torch.save(tensors, draft)
