"""Embedding that trains only the rows of wordpieces in the training set, with the results of training all rows.

Word embeddings are a fifth of BERT's weights and most of XLM-R's, but a training set uses few of their rows. Unused
rows never get a gradient, so that AdamW only applies weight decay to them. Keeping gradients and moments for the used
rows alone saves memory and time. Source: own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding


class PartialEmbedding(nn.Module):
    """Replace an `nn.Embedding` [V, d] of which only some rows are trained.

    Call `follow_decay` on the optimizer, so that untrained rows are decayed too. The state dict has `weight` [V, d], as
    that of `nn.Embedding`.

    Args:
        table: The embedding.
        rows: Indices of the rows to train, [R].
    """

    rows: Tensor
    positions: Tensor

    def __init__(self, table: nn.Embedding, rows: Tensor) -> None:
        super().__init__()
        self.weight = table.weight.requires_grad_(False)  # stale in trained rows, see `trained`
        self.trained = nn.Parameter(table.weight[rows])
        positions = torch.full((len(table.weight),), -1)  # of each row among the trained ones
        positions[rows] = torch.arange(len(rows))
        padding = -1 if table.padding_idx is None else int(positions[table.padding_idx])
        self.padding = padding if padding >= 0 else None
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("positions", positions, persistent=False)
        self.decay_factor = 1.0  # of the rows that are not trained

    def forward(self, ids: Tensor) -> Tensor:
        """Look up vectors [..., d] of ids [...]; in training, an id outside of `rows` raises IndexError."""
        positions = self.positions[ids]
        if self.training:
            return embedding(positions, self.trained, self.padding)
        frozen = self.decay_factor * self.weight[ids]
        return torch.where(positions[..., None] >= 0, self.trained[positions.clamp(min=0)], frozen)

    def decay(self, fraction: float) -> None:
        """Decay untrained rows by a fraction, as an optimizer step does for trained rows."""
        self.decay_factor *= 1 - fraction

    @torch.no_grad()
    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        destination[f"{prefix}weight"] = (self.decay_factor * self.weight).index_copy_(0, self.rows, self.trained)

    @torch.no_grad()
    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:  # noqa: ANN401
        super()._load_from_state_dict({**state_dict, f"{prefix}trained": self.trained}, prefix, *args)
        self.trained.copy_(self.weight[self.rows])
        self.decay_factor = 1.0


def follow_decay(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Make an AdamW optimizer also decay the untrained rows of each `PartialEmbedding` of a model."""
    for module in model.modules():
        if isinstance(module, PartialEmbedding):
            groups = enumerate(optimizer.param_groups)
            index = next(
                index for index, group in groups if any(module.trained is parameter for parameter in group["params"])
            )
            optimizer.register_step_pre_hook(_DecayHook(module, index))


@dataclass(frozen=True)
class _DecayHook:
    """Decay untrained rows with the settings of a parameter group.

    The group is kept by index, since loading an optimizer state replaces the group objects.
    """

    module: PartialEmbedding
    index: int

    def __call__(self, optimizer: torch.optim.Optimizer, *args: object) -> None:
        group = optimizer.param_groups[self.index]
        self.module.decay(group["lr"] * group["weight_decay"])
