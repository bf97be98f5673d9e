"""The gate of the paper."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from hvpkit.interfaces import Gate, PrefixConfig


class DynamicGate(Gate):
    """Compute `softmax(LeakyReLU(W_l mean_i GAP(V_i)))` for all N layers in one linear map.

    Args:
        shape: Dimensions of the prefix.
        slope: Negative slope of the LeakyReLU.

    Source: Chen et al. 2022, eq. 3-4.
    """

    graph_safe = True

    def __init__(self, shape: PrefixConfig, slope: float = 0.01) -> None:
        super().__init__()
        self.layers, self.levels, self.slope = shape.layers, len(shape.channels), slope
        self.linear = nn.Linear(shape.width, shape.layers * len(shape.channels))

    def forward(self, levels: Tensor) -> Tensor:
        """Compute weights [B, V, N, C] of each image region from levels [B, V, C, P, d]."""
        summary = levels.mean(dim=(2, 3))  # [B, V, d]
        scores: Tensor = self.linear(summary).unflatten(-1, (self.layers, self.levels))
        return leaky_relu(scores, self.slope).softmax(-1)
