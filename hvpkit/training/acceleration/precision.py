"""Precision of a training run."""

from __future__ import annotations

import torch

from hvpkit.config.recipe import TrainSpec


def uses_bf16(train: TrainSpec) -> bool:
    """Check whether to train in bf16; "auto" uses it on GPUs that support it in hardware."""
    if train.precision == "auto":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    return train.precision == "bf16"
