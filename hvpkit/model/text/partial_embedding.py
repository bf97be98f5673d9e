"""Of a vocabulary's table only the rows that training text uses are trained: the same numbers from less memory and work (our own).

A fifth of BERT's weights are vectors of pieces, of XLM-R's most, and a training set names a part of them. The others never get a gradient,
so that AdamW's moments of them stay 0 and all it does to them is to decay them; gradients and moments are kept for the named ones alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding


class PartialEmbedding(nn.Module):
    """Stands in for an `nn.Embedding` [V, d] of which `rows` [R] are trained, by an AdamW that `follow_decay` is told of.

    Its state dict holds `weight` [V, d], as the embedding's does, and loads it.
    """

    rows: Tensor
    places: Tensor

    def __init__(self, table: nn.Embedding, rows: Tensor) -> None:
        super().__init__()
        self.weight = table.weight.requires_grad_(False)  # the trained rows of it are out of date
        self.trained = nn.Parameter(table.weight[rows])
        places = torch.full((len(table.weight),), -1).index_put_((rows,), torch.arange(len(rows)))
        padding = -1 if table.padding_idx is None else int(places[table.padding_idx])
        self.padding = padding if padding >= 0 else None  # its place among the trained ones
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("places", places, persistent=False)
        self.left = 1.0  # what decay has left of the other rows

    def forward(self, ids: Tensor) -> Tensor:
        """Give the vectors [..., d] of `ids` [...]; in training an id outside of `rows` raises IndexError."""
        places = self.places[ids]
        if self.training:
            return embedding(places, self.trained, self.padding)
        return torch.where(places[..., None] >= 0, self.trained[places.clamp(min=0)], self.left * self.weight[ids])

    def decay(self, share: float) -> None:
        """Hear that a step of the optimizer decays weights by this share."""
        self.left *= 1 - share

    @torch.no_grad()
    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        destination[f"{prefix}weight"] = (self.left * self.weight).index_copy_(0, self.rows, self.trained)

    @torch.no_grad()
    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *others: Any) -> None:  # noqa: ANN401 - the library's signature
        super()._load_from_state_dict({**state_dict, f"{prefix}trained": self.trained}, prefix, *others)
        self.trained.copy_(self.weight[self.rows])
        self.left = 1.0


def follow_decay(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Let every PartialEmbedding of a model hear what an AdamW does in each step to weights without gradients."""
    for module in model.modules():
        if isinstance(module, PartialEmbedding):
            groups = enumerate(optimizer.param_groups)
            place = next(place for place, group in groups if any(module.trained is parameter for parameter in group["params"]))
            optimizer.register_step_pre_hook(_Decaying(module, place))


@dataclass(frozen=True)
class _Decaying:
    """Tells a module what its group, the one at a place, is about to decay: an optimizer's groups are others once a state was loaded."""

    module: PartialEmbedding
    place: int

    def __call__(self, optimizer: torch.optim.Optimizer, *given: object) -> None:
        group = optimizer.param_groups[self.place]
        self.module.decay(group["lr"] * group["weight_decay"])
