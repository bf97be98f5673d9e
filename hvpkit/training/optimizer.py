"""The optimizer, and how its learning rates change."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.optim.lr_scheduler import LambdaLR

from hvpkit.config.recipe import TrainSpec
from hvpkit.training.acceleration.narrow_gradients import WideningAdamW, may_be_narrow
from hvpkit.training.parameter_groups import ParameterGroup


def build_optimizer(groups: Sequence[ParameterGroup], train: TrainSpec) -> torch.optim.Optimizer:
    """Make AdamW or SGD over our parameter groups, fused."""
    given = [dict(group) for group in groups]
    if train.optimizer == "sgd":
        return torch.optim.SGD(given, momentum=train.momentum, fused=True)
    narrow = any(may_be_narrow(parameter) for group in groups for parameter in group["params"])
    return WideningAdamW(given) if narrow else torch.optim.AdamW(given, fused=True)


def build_schedule(optimizer: torch.optim.Optimizer, train: TrainSpec, steps: int) -> LambdaLR:
    """Make the schedule of a run of `steps` updates; it is asked once an update."""
    return LambdaLR(optimizer, lambda step: lr_multiplier(train, step, steps))


def lr_multiplier(train: TrainSpec, step: int, steps: int) -> float:
    """Give the share 0..1 of its full rate that a group has after `step` of `steps` updates.

    It rises over the warm-up; then it falls to 0 with the updates (Chen et al. 2022, appendix B), or with the epochs e that are done as
    1 / (1 + lr_decay * e) (Ma & Hovy 2016, section 3.2 - recalled, not verified).
    """
    warm = round(train.warmup * steps)
    risen = min(1.0, step / warm) if warm else 1.0
    if train.schedule == "linear":
        return risen if step < warm else (steps - step) / max(1, steps - warm)
    return risen / (1 + train.lr_decay * (step * train.epochs // steps))
