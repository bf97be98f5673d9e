"""Optimizer and learning rate schedule."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.optim.lr_scheduler import LambdaLR

from hvpkit.config.recipe import TrainSpec
from hvpkit.training.bert_adam import BertAdam
from hvpkit.training.parameter_groups import ParameterGroup


def build_optimizer(groups: Sequence[ParameterGroup], train: TrainSpec) -> torch.optim.Optimizer:
    """Build the optimizer of a recipe: AdamW or SGD, both fused, or BertAdam.

    Args:
        groups: Parameter groups.
        train: Settings: `optimizer` ("adamw", "sgd" or "bert-adam"), `momentum` and `max_tensor_norm`.
    """
    param_groups = [dict(group) for group in groups]
    if train.optimizer == "sgd":
        return torch.optim.SGD(param_groups, momentum=train.momentum, fused=True)
    if train.optimizer == "bert-adam":
        return BertAdam(param_groups, max_tensor_norm=train.max_tensor_norm)
    return torch.optim.AdamW(param_groups, fused=True)


def build_schedule(optimizer: torch.optim.Optimizer, train: TrainSpec, steps: int) -> LambdaLR:
    """Build the learning rate schedule.

    Args:
        optimizer: Optimizer whose learning rates change.
        train: Settings: `schedule`, `warmup`, `warmup_steps`, `lr_decay`, `gamma`, `milestones` and `epochs`.
        steps: Number of updates of the run.
    """
    return LambdaLR(optimizer, lambda step: lr_multiplier(train, step, steps))


def lr_multiplier(train: TrainSpec, step: int, steps: int) -> float:
    """Return the factor 0..1 on the base learning rates after `step` of `steps` updates.

    It rises linearly during the warm-up. Then "linear" falls to 0 with the updates, "warmup-linear" is the fraction of
    all updates that is left (it drops from 1 by the fraction of the warm-up), "inverse-time" is 1 / (1 + lr_decay * e)
    after e finished epochs, and "step" is gamma to the power of the milestones that are reached.

    Source: Chen et al. 2022, appendix B ("linear"); pytorch-pretrained-bert ("warmup-linear"); Ma & Hovy 2016, section
        3.2 ("inverse-time", recalled, not verified); torch's StepLR and MultiStepLR ("step").
    """
    warmup_steps = round(train.warmup * steps) if train.warmup_steps is None else train.warmup_steps
    if step < warmup_steps:
        return step / warmup_steps * _epoch_multiplier(train, step * train.epochs // steps)
    if train.schedule == "linear":
        return (steps - step) / max(1, steps - warmup_steps)
    if train.schedule == "warmup-linear":
        return (steps - step) / steps
    return _epoch_multiplier(train, step * train.epochs // steps)


def _epoch_multiplier(train: TrainSpec, finished_epochs: int) -> float:
    """Return the factor of the schedules that change by epoch, 1 for the others."""
    if train.schedule == "inverse-time":
        return 1 / (1 + train.lr_decay * finished_epochs)
    if train.schedule != "step":
        return 1.0
    if isinstance(train.milestones, int):
        return float(train.gamma ** (finished_epochs // train.milestones))
    return float(train.gamma ** sum(milestone <= finished_epochs for milestone in train.milestones))
