"""Parameter groups with their learning rates and weight decay."""

from __future__ import annotations

from typing import TypedDict

from torch import nn

from hvpkit.config.recipe import TrainSpec
from hvpkit.model.model import Model
from hvpkit.model.text.partial_embedding import PartialEmbedding

# modules whose parameters are not decayed
NOT_DECAYED = (nn.LayerNorm, nn.GroupNorm, nn.modules.batchnorm._BatchNorm, nn.Embedding, PartialEmbedding)


class ParameterGroup(TypedDict):
    """A parameter group of a torch optimizer.

    Attributes:
        name: Part of the model ("text", "vision", "fusion" or "head"), for logs.
        params: Parameters of the group.
        lr: Base learning rate.
        weight_decay: Weight decay.
    """

    name: str
    params: list[nn.Parameter]
    lr: float
    weight_decay: float


def parameter_groups(model: Model, train: TrainSpec) -> list[ParameterGroup]:
    """Group the trained parameters by part (text, vision, fusion, head) and by weight decay.

    Biases, norms, other vectors and embedding tables are not decayed, unless `decay_all` is true. Newly initialized
    parameters of a pretrained text encoder count as fusion, pretrained layers of a fusion as vision.

    Args:
        model: Model to train; the parameters of a frozen head are in no group.
        train: Settings: `lr`, `vision_lr`, `fusion_lr`, `head_lr` (None: `lr`), `weight_decay`, `decay_all`,
            `freeze_head`.

    Returns:
        Groups that have parameters.

    Source: Chen et al. 2022, appendix B, for biases and norms; own for other vectors and embedding tables.
    """
    moved = {id(parameter): "fusion" for parameter in model.text.randomly_initialized_parameters()}
    moved |= {id(parameter): "vision" for parameter in model.fusion.pretrained_vision_parameters()}
    rates = {"text": train.lr, "vision": train.vision_lr, "fusion": train.fusion_lr, "head": train.head_lr}
    not_decayed = {
        id(p) for module in model.modules() if isinstance(module, NOT_DECAYED) for p in module.parameters(recurse=False)
    }
    groups: dict[tuple[str, bool], ParameterGroup] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        part = moved.get(id(parameter), name.partition(".")[0])
        if part == "head" and train.freeze_head:
            continue
        decayed = train.decay_all or (parameter.dim() > 1 and id(parameter) not in not_decayed)
        decay = train.weight_decay if decayed else 0.0
        rate = rates[part]
        group = ParameterGroup(name=part, params=[], lr=train.lr if rate is None else rate, weight_decay=decay)
        groups.setdefault((part, decayed), group)["params"].append(parameter)
    return list(groups.values())
