"""Place of this process among those that torchrun started."""

from __future__ import annotations

import os

import torch

from hvpkit.errors import InputError
from hvpkit.utils.device import resolve_device


def is_main_process() -> bool:
    """Check whether this is the first process of torchrun, or the only process."""
    return os.environ.get("RANK", "0") == "0"


def world_size() -> int:
    """Return the number of processes of torchrun; each takes `train.batch_size` examples per step."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_device(name: str | None = None) -> torch.device:
    """Return the device of this process; among GPUs, the one that torchrun assigned to it.

    Args:
        name: Device as for `resolve_device`. A single GPU is chosen by CUDA_VISIBLE_DEVICES, as in all programs that
            train with transformers.

    Raises:
        InputError: "device-unknown", "device-unavailable", or "device-not-for-training" for "cuda:N" or "mps".
    """
    device = resolve_device(name)
    if device.type == "mps" or device.index:
        raise InputError("device-not-for-training", found=str(device))
    return torch.device(f"cuda:{os.environ.get('LOCAL_RANK', '0')}") if device.type == "cuda" else device
