"""The paper's projector."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hvpkit.interfaces import PrefixConfig, Projector, Visual


class PerLevelProjector(Projector):
    """One 1x1 convolution a level, from its channels to the text's width (Chen et al. 2022, eq. 2)."""

    def __init__(self, shape: PrefixConfig) -> None:
        super().__init__()
        self.width = shape.width
        self.maps = nn.ModuleList(nn.Linear(channels, shape.width) for channels in shape.channels)

    def forward(self, visual: Visual) -> Tensor:
        """Map C levels [B, V, C_i, P] to [B, V, C, P, d]."""
        return torch.stack([linear(level.transpose(-1, -2)) for linear, level in zip(self.maps, visual.levels, strict=True)], dim=2)
