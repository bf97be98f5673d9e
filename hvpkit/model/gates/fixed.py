"""Gates that do not look: the paper's ablations."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from hvpkit.interfaces import Gate


class FixedGate(Gate):
    """Layer l takes level `choice[l]` alone, whatever the images show."""

    weights: Tensor

    def __init__(self, choice: Sequence[int], levels: int) -> None:
        super().__init__()
        self.register_buffer("weights", one_hot(torch.tensor(choice), levels).float(), persistent=False)

    def forward(self, levels: Tensor) -> Tensor:
        """Map [B, V, C, P, d] to the same one-hot rows [B, V, N, C] for every image."""
        return self.weights.to(levels.dtype).expand(*levels.shape[:2], -1, -1)
