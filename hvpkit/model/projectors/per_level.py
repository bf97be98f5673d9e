"""The projector of the paper."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hvpkit.interfaces import PrefixConfig, Projector, Visual


class PerLevelProjector(Projector):
    """Map each level to the width of the text encoder by its own 1x1 convolution.

    Args:
        shape: Dimensions of the prefix.

    Source: Chen et al. 2022, eq. 2.
    """

    graph_safe = True

    def __init__(self, shape: PrefixConfig) -> None:
        super().__init__()
        self.width = shape.width
        self.maps = nn.ModuleList(nn.Linear(channels, shape.width) for channels in shape.channels)

    def forward(self, visual: Visual) -> Tensor:
        """Compute levels [B, V, C, P, d] from C levels [B, V, C_i, P]."""
        return torch.stack(
            [linear(level.transpose(-1, -2)) for linear, level in zip(self.maps, visual.levels, strict=True)], dim=2
        )
