"""The visual tower: pictures to a pyramid on one grid (Chen et al. 2022, eq. 1)."""

from __future__ import annotations

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from hvpkit.contracts import Pictures, Visual, VisualBackbone


class VisualTower(nn.Module):
    """A backbone whose maps are pooled to a `grid` x `grid` of P cells; a frozen one stays in evaluation mode."""

    def __init__(self, backbone: VisualBackbone, *, grid: int, frozen: bool) -> None:
        super().__init__()
        self.backbone, self.grid, self.frozen = backbone, grid, frozen
        self.requires_grad_(not frozen)

    def forward(self, pictures: Pictures) -> Visual:
        """Give C levels [B, V, C_i, P], zero where a picture is missing."""
        levels = pictures.features or self.pyramid(pictures.pixels)
        return Visual(tuple(spread(level, pictures.mask) for level in levels), pictures)

    def pyramid(self, pixels: Tensor | None) -> tuple[Tensor, ...]:
        """Map pixels [K, 3, side, side] to C pooled levels [K, C_i, P]."""
        if pixels is None:
            raise ValueError("pictures hold neither pixels nor features")
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            return tuple(level if level.dim() == 3 else adaptive_avg_pool2d(level, self.grid).flatten(2) for level in self.backbone(pixels))

    def transform(self, picture: Image.Image) -> Tensor:
        """Turn an upright RGB picture into the backbone's pixels [3, side, side]."""
        return self.backbone.transform(picture)

    def train(self, mode: bool = True) -> VisualTower:
        """Enter training mode, except for a frozen backbone: its running statistics must not drift."""
        super().train(mode and not self.frozen)
        return self


def spread(level: Tensor, mask: Tensor) -> Tensor:
    """Put the K existing pictures' rows [K, ...] at their places in [B, V, ...]."""
    full = level.new_zeros(*mask.shape, *level.shape[1:])
    full[mask] = level
    return full
