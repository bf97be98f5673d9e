"""The gate of the code that the paper's authors released."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from hvpkit.interfaces import Gate, PrefixConfig


class FlattenedGate(Gate):
    """`softmax(LeakyReLU(W_l flatten(mean_i V_i)))`: cells side by side instead of averaged (release of Chen et al. 2022)."""

    def __init__(self, shape: PrefixConfig, slope: float) -> None:
        super().__init__()
        self.slope = slope
        self.maps = nn.ModuleList(nn.Linear(shape.cells * shape.width, len(shape.channels)) for _ in range(shape.layers))

    def forward(self, levels: Tensor) -> Tensor:
        """Map [B, V, C, P, width] to [B, V, N, C]."""
        summary = levels.mean(dim=2).flatten(2)  # [B, V, P * width]
        scores = torch.stack([linear(summary) for linear in self.maps], dim=2)
        return leaky_relu(scores, self.slope).softmax(-1)
