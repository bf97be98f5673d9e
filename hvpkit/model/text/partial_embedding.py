"""Embedding that trains only the rows of wordpieces in the training set, with the results of training all rows.

Word embeddings are a fifth of BERT's weights and most of XLM-R's, but a training set uses few of their rows. Without
weight decay, unused rows never change, as they get no gradient. Keeping gradients and moments for the used rows alone
saves memory and time. Source: own.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding


class PartialEmbedding(nn.Module):
    """Replace an `nn.Embedding` [V, d] of which only some rows are trained.

    The state dict has `weight` [V, d], as that of `nn.Embedding`.

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

    def forward(self, ids: Tensor) -> Tensor:
        """Look up vectors [..., d] of ids [...]; in training, an id outside of `rows` raises IndexError."""
        positions = self.positions[ids]
        if self.training:
            return embedding(positions, self.trained, self.padding)
        return torch.where(positions[..., None] >= 0, self.trained[positions.clamp(min=0)], self.weight[ids])

    @torch.no_grad()
    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        destination[f"{prefix}weight"] = self.weight.index_copy(0, self.rows, self.trained)

    @torch.no_grad()
    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:  # noqa: ANN401
        super()._load_from_state_dict({**state_dict, f"{prefix}trained": self.trained}, prefix, *args)
        self.trained.copy_(self.weight[self.rows])
