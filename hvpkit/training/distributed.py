"""Place of this process among those that torchrun started."""

from __future__ import annotations

import os

import torch


def is_main_process() -> bool:
    """Check whether this is the first process of torchrun, or the only process."""
    return os.environ.get("RANK", "0") == "0"


def world_size() -> int:
    """Return the number of processes of torchrun; each takes `train.batch_size` examples per step."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_device() -> torch.device:
    """Return the GPU that torchrun assigned to this process, or the CPU without a GPU."""
    return torch.device(f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if torch.cuda.is_available() else "cpu")
