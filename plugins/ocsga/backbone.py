"""Visual backbone without pixels, for fusions that read the labels of objects."""

from __future__ import annotations

import torch
from PIL import Image
from torch import Tensor

from hvpkit.interfaces import LevelInfo, VisionContext, VisualBackbone
from hvpkit.messages import Message


class ObjectLabels(VisualBackbone):
    """One level of one cell that is 0 for every image, so that the tower still lists which regions exist.

    Args:
        context: Image size.

    Source: own.
    """

    levels = (LevelInfo(channels=1, stride=1, cells=1),)
    min_decode_size = 1

    def __init__(self, context: VisionContext) -> None:
        super().__init__()
        self.side = context.size or 1

    def transform(self, image: Image.Image) -> Tensor:
        """Return zeros [3, side, side]."""
        return torch.zeros(3, self.side, self.side)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Return zeros [K, 1, 1]."""
        return [pixels.new_zeros(len(pixels), 1, 1)]

    def provenance_notes(self) -> list[str]:
        """Return a note that the model sees no pixels."""
        return [Message("ocsga-labels-only")]
