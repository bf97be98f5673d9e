"""Optimizer and learning rate schedule."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.optim.lr_scheduler import LambdaLR

from hvpkit.config.recipe import TrainSpec
from hvpkit.training.parameter_groups import ParameterGroup


def build_optimizer(groups: Sequence[ParameterGroup], train: TrainSpec) -> torch.optim.Optimizer:
    """Build the fused optimizer of a recipe, AdamW or SGD.

    Args:
        groups: Parameter groups.
        train: Settings: `optimizer` ("adamw" or "sgd") and `momentum`.
    """
    param_groups = [dict(group) for group in groups]
    if train.optimizer == "sgd":
        return torch.optim.SGD(param_groups, momentum=train.momentum, fused=True)
    return torch.optim.AdamW(param_groups, fused=True)


def build_schedule(optimizer: torch.optim.Optimizer, train: TrainSpec, steps: int) -> LambdaLR:
    """Build the learning rate schedule.

    Args:
        optimizer: Optimizer whose learning rates change.
        train: Settings: `schedule`, `warmup`, `lr_decay` and `epochs`.
        steps: Number of updates of the run.
    """
    return LambdaLR(optimizer, lambda step: lr_multiplier(train, step, steps))


def lr_multiplier(train: TrainSpec, step: int, steps: int) -> float:
    """Return the factor 0..1 on the base learning rates after `step` of `steps` updates.

    It rises linearly during the warm-up. Then "linear" falls to 0 with the updates, and "inverse-time" is
    1 / (1 + lr_decay * e) after e finished epochs.

    Source: Chen et al. 2022, appendix B ("linear"); Ma & Hovy 2016, section 3.2 ("inverse-time", recalled, not
        verified).
    """
    warmup_steps = round(train.warmup * steps)
    warmup_factor = min(1.0, step / warmup_steps) if warmup_steps else 1.0
    if train.schedule == "linear":
        return warmup_factor if step < warmup_steps else (steps - step) / max(1, steps - warmup_steps)
    return warmup_factor / (1 + train.lr_decay * (step * train.epochs // steps))
