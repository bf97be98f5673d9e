"""The projector of the code that the paper's authors released."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hvpkit.interfaces import PrefixConfig, Projector, Visual


class JointProjector(Projector):
    """One MLP over all stages at once, whose output's slices are the levels: keys and values side by side (release of Chen et al. 2022).

    The stages' channels [sum C_i, P] are read row-major as P rows of sum C_i numbers, as the release does, so a row is a slice of
    channels and not a cell of the grid.
    """

    level_name = "slice"
    cells_are_places = False

    def __init__(self, shape: PrefixConfig, hidden: int) -> None:
        super().__init__()
        self.levels, self.width = len(shape.channels), 2 * shape.width
        self.map = nn.Sequential(nn.Linear(sum(shape.channels), hidden), nn.Tanh(), nn.Linear(hidden, self.levels * self.width))

    def forward(self, visual: Visual) -> Tensor:
        """Map C levels [B, V, C_i, P] to [B, V, C, P, 2d]."""
        stages = torch.cat(visual.levels, dim=2)  # [B, V, sum C_i, P]
        channels, cells = stages.shape[2:]
        rows = stages.reshape(*stages.shape[:2], cells, channels)  # no transpose
        levels: Tensor = self.map(rows).unflatten(-1, (self.levels, self.width))  # [B, V, P, C, 2d]
        return levels.transpose(2, 3)
