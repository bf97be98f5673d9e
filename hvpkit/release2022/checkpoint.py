"""Reading and writing released checkpoints: state dicts, plain or wrapped."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from hvpkit.errors import InputError, ModelFolderError
from hvpkit.model.vision.torchvision_backbone import load_weights_file

WRAPPERS = ("state_dict", "model_state_dict", "model")
PARALLEL = "module."  # what DataParallel puts before every name


def read_checkpoint(file: Path) -> dict[str, Tensor]:
    """Read tensors by name (`weights_only`: nothing in the file is run); a dict that wraps them under one key is opened.

    Raises ModelFolderError for a file that cannot be read, or holds no state dict.
    """
    if not file.is_file():
        raise ModelFolderError("no-checkpoint", file=file)
    tensors = _state_dict(load_weights_file(file), file)
    if all(name.startswith(PARALLEL) for name in tensors):
        return {name[len(PARALLEL) :]: tensor for name, tensor in tensors.items()}
    return dict(tensors)


def _state_dict(found: object, file: Path) -> Mapping[str, Tensor]:
    if _is_state_dict(found):
        return found  # type: ignore[return-value]
    if isinstance(found, Mapping):
        wrapped = [key for key, value in found.items() if _is_state_dict(value)]
        key = next((name for name in WRAPPERS if name in wrapped), wrapped[0] if len(wrapped) == 1 else None)
        if key is not None:
            return found[key]  # type: ignore[no-any-return]
        raise ModelFolderError("no-state-dict", file=file, expected=WRAPPERS, found=[str(key) for key in list(found)[:8]])
    raise ModelFolderError("not-a-state-dict", file=file, found=type(found).__name__)


def _is_state_dict(value: object) -> bool:
    return isinstance(value, Mapping) and bool(value) and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in value.items())


def write_checkpoint(tensors: dict[str, Tensor], file: Path) -> None:
    """Write a plain state dict, whole or not at all; raises InputError when the file is there already."""
    if file.exists():
        raise InputError("output-exists", output=file)
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.draft")
    try:
        torch.save(tensors, draft)
        os.replace(draft, file)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
