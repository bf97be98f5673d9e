"""The projector of the code that was released with the paper."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hvpkit.interfaces import PrefixConfig, Projector, Visual


class JointProjector(Projector):
    """Apply one MLP to all levels and slice its output into levels of keys and values.

    The channels of all levels [sum C_i, P] are reshaped row-major to P rows of sum C_i numbers, as in the released
    code, so a row is a slice of channels and not a cell of the grid.

    Args:
        shape: Dimensions of the prefix.
        hidden: Width of the hidden layer.

    Source: code released with Chen et al. 2022.
    """

    graph_safe = True

    level_name = "slice"
    cells_are_spatial = False

    def __init__(self, shape: PrefixConfig, hidden: int) -> None:
        super().__init__()
        self.levels, self.width = len(shape.channels), 2 * shape.width
        self.map = nn.Sequential(
            nn.Linear(sum(shape.channels), hidden), nn.Tanh(), nn.Linear(hidden, self.levels * self.width)
        )

    def forward(self, visual: Visual) -> Tensor:
        """Compute keys and values [B, V, C, P, 2d] from C levels [B, V, C_i, P]."""
        stages = torch.cat(visual.levels, dim=2)  # [B, V, sum C_i, P]
        channels, cells = stages.shape[2:]
        rows = stages.reshape(*stages.shape[:2], cells, channels)  # reshaped, not transposed, as in the released code
        levels: Tensor = self.map(rows).unflatten(-1, (self.levels, self.width))  # [B, V, P, C, 2d]
        return levels.transpose(2, 3)
