"""Which parameters learn at which rate."""

from __future__ import annotations

from typing import TypedDict

from torch import nn

from hvpkit.config.recipe import TrainSpec
from hvpkit.model.model import Model

NORMS = (nn.LayerNorm, nn.GroupNorm, nn.modules.batchnorm._BatchNorm)


class ParameterGroup(TypedDict):
    """A parameter group as torch's optimizers take it, with a name for logs."""

    name: str
    params: list[nn.Parameter]
    lr: float
    weight_decay: float


def parameter_groups(model: Model, train: TrainSpec) -> list[ParameterGroup]:
    """Group what is trained by part (text, vision, fusion, head) and by decay.

    Biases and norms are not decayed (Chen et al. 2022, appendix B), nor are other vectors (our own), unless `decay_biases: true`; a frozen head is
    in no group. The rates are `lr`, `vision_lr`, `fusion_lr`, `head_lr`; what is new in a pretrained text encoder counts as fusion.
    """
    new = {id(parameter) for parameter in model.text.randomly_initialized_parameters()}
    rates = {"text": train.lr, "vision": train.vision_lr, "fusion": train.fusion_lr, "head": train.head_lr}
    plain = {id(p) for module in model.modules() if isinstance(module, NORMS) for p in module.parameters(recurse=False)}
    groups: dict[tuple[str, bool], ParameterGroup] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        part = "fusion" if id(parameter) in new else name.partition(".")[0]
        if part == "head" and train.freeze_head:
            continue
        decayed = train.decay_biases or (parameter.dim() > 1 and id(parameter) not in plain)
        decay = train.weight_decay if decayed else 0.0
        rate = rates[part]
        empty = ParameterGroup(name=part, params=[], lr=train.lr if rate is None else rate, weight_decay=decay)
        groups.setdefault((part, decayed), empty)["params"].append(parameter)
    return list(groups.values())
