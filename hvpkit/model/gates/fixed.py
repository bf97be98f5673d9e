"""Gates that do not depend on the images: ablations of the paper."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from hvpkit.interfaces import Gate


class FixedGate(Gate):
    """Select one level for each text layer.

    Args:
        choice: Level of each of the N text layers.
        levels: Number of levels C.
    """

    graph_safe = True

    weights: Tensor

    def __init__(self, choice: Sequence[int], levels: int) -> None:
        super().__init__()
        self.register_buffer("weights", one_hot(torch.tensor(choice), levels).float(), persistent=False)

    def forward(self, levels: Tensor) -> Tensor:
        """Return the same one-hot weights [B, V, N, C] for every image region of levels [B, V, C, P, d]."""
        return self.weights.to(levels.dtype).expand(*levels.shape[:2], -1, -1)
