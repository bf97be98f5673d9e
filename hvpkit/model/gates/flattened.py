"""The gate of the code that was released with the paper."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from hvpkit.interfaces import Gate, PrefixConfig


class FlattenedGate(Gate):
    """Compute `softmax(LeakyReLU(W_l flatten(mean_i V_i)))`, over concatenated instead of averaged cells.

    Args:
        shape: Dimensions of the prefix.
        slope: Negative slope of the LeakyReLU.

    Source: code released with Chen et al. 2022.
    """

    graph_safe = True

    def __init__(self, shape: PrefixConfig, slope: float) -> None:
        super().__init__()
        self.slope = slope
        self.maps = nn.ModuleList(
            nn.Linear(shape.cells * shape.width, len(shape.channels)) for _ in range(shape.layers)
        )

    def forward(self, levels: Tensor) -> Tensor:
        """Compute weights [B, V, N, C] from levels [B, V, C, P, width]."""
        summary = levels.mean(dim=2).flatten(2)  # [B, V, P * width]
        scores = torch.stack([linear(summary) for linear in self.maps], dim=2)
        return leaky_relu(scores, self.slope).softmax(-1)
