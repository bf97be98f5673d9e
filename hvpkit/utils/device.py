"""Choice of the torch device."""

from __future__ import annotations

import os
import re

import torch

from hvpkit.errors import InputError

DEVICE_VARIABLE = "HVP_DEVICE"
AUTO = "auto"
DEVICE_PATTERN = re.compile(r"(cpu|cuda(:\d+)?|mps)")


def resolve_device(name: str | None = None) -> torch.device:
    """Return the device of a name and check that it exists.

    Args:
        name: "cpu", "cuda", "cuda:N", "mps" or "auto" (a GPU with CUDA if there is one, else the CPU); None: the value
            of the environment variable HVP_DEVICE, else "auto".

    Raises:
        InputError: "device-unknown" for another name, "device-unavailable" if this machine has no such device.
    """
    name = name or os.environ.get(DEVICE_VARIABLE) or AUTO
    if name == AUTO:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not DEVICE_PATTERN.fullmatch(name):
        raise InputError("device-unknown", found=name)
    device = torch.device(name)
    if not _is_available(device):
        raise InputError("device-unavailable", found=name, available=available_devices())
    return device


def available_devices() -> list[str]:
    """List the devices of this machine."""
    gpus = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return ["cpu", *gpus, *(["mps"] if torch.backends.mps.is_available() else [])]


def _is_available(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
    return device.type == "cpu" or torch.backends.mps.is_available()
