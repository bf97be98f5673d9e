"""The visual tower: pictures to a pyramid on one grid (Chen et al. 2022, eq. 1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d

from hvpkit.errors import ComponentError
from hvpkit.images.regions import View
from hvpkit.interfaces import Pictures, Visual, VisualBackbone


@dataclass(frozen=True)
class TowerOptions:
    """How a tower differs from the paper's, as the release of Chen et al. 2022 does.

    `pooling: floor` pools with kernel = stride = side // grid, which leaves cells at the edge out where that does not come out even.
    `missing: zeros` shows zeros (the mean picture) in place of missing pictures where an example has any picture, instead of masking them.
    `drifting` lets the running statistics of a frozen backbone go on in training.
    """

    pooling: Literal["adaptive", "floor"] = "adaptive"
    missing: Literal["mask", "zeros"] = "mask"
    drifting: bool = False


class VisualTower(nn.Module):
    """A backbone whose maps are pooled to a `grid` x `grid` of P cells; a frozen one stays in evaluation mode."""

    def __init__(self, backbone: VisualBackbone, *, grid: int, frozen: bool, options: TowerOptions = TowerOptions()) -> None:  # noqa: B008 - frozen
        super().__init__()
        self.backbone, self.grid, self.frozen, self.options = backbone, grid, frozen, options
        self._blanks: dict[torch.device, tuple[Tensor, ...]] = {}
        self.requires_grad_(not frozen)
        self.train()

    @property
    def constant(self) -> bool:
        """Say whether a picture's pyramid stays the same in training, so that it can be kept."""
        return self.frozen and not self.options.drifting

    @property
    def device(self) -> torch.device:
        """Say where its weights are; the CPU where it has none."""
        return next((tensor.device for tensor in chain(self.parameters(), self.buffers())), torch.device("cpu"))

    def forward(self, pictures: Pictures) -> Visual:
        """Give C levels [B, V, C_i, P], zero where a picture is missing."""
        zeros = self.options.missing == "zeros"
        if zeros and pictures.features is None:
            pictures = self._with_blanks(pictures)
        levels = pictures.features or self.pyramid(pictures.pixels)
        visual = Visual(spread(levels, pictures.mask), pictures)
        return self._with_blank_levels(visual) if zeros and pictures.features is not None else visual

    def pyramid(self, pixels: Tensor | None) -> tuple[Tensor, ...]:
        """Map pixels [K, 3, side, side] to C pooled levels [K, C_i, P]; raises ComponentError for a map of too few cells."""
        if pixels is None:
            raise ValueError("pictures hold neither pixels nor features")
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            return tuple(level if level.dim() == 3 else self._pooled(level).flatten(2) for level in self.backbone(pixels))

    def _pooled(self, level: Tensor) -> Tensor:
        if self.options.pooling == "adaptive":
            return adaptive_avg_pool2d(level, self.grid)
        height, width = (side // self.grid for side in level.shape[2:])
        if not height or not width:
            raise ComponentError("grid-too-fine", grid=self.grid, height=level.shape[2], width=level.shape[3])
        return avg_pool2d(level, (height, width))[:, :, : self.grid, : self.grid]

    def _with_blanks(self, pictures: Pictures) -> Pictures:
        """Put zeros in the place of missing pictures in rows that have any."""
        filled = _filled(pictures.mask)
        pixels = None if pictures.pixels is None else spread([pictures.pixels], pictures.mask)[0][filled]
        return replace(pictures, mask=filled, pixels=pixels)

    def _with_blank_levels(self, visual: Visual) -> Visual:
        """Put what the network makes of zeros in the place of missing pictures in rows that have any."""
        mask, filled = visual.mask, _filled(visual.mask)
        pairs = zip(visual.levels, self._blank(visual.levels[0].device), strict=True)
        levels = (torch.where(_over(mask, own), level, own * _over(filled, own)) for level, own in pairs)
        return Visual(tuple(levels), replace(visual.pictures, mask=filled))

    def _blank(self, device: torch.device) -> tuple[Tensor, ...]:
        """Give the pyramid of zeros, which is kept as those of pictures are where they are: in float32."""
        if device not in self._blanks:
            learns = torch.is_grad_enabled()
            with torch.inference_mode(False), torch.set_grad_enabled(learns), torch.autocast(device.type, enabled=False):
                blank = self.pyramid(torch.zeros(1, *self.transform(Image.new("RGB", (8, 8))).shape, device=device))
            if not self.constant:
                return blank
            self._blanks[device] = blank
        return self._blanks[device]

    def _load_from_state_dict(self, *given: Any) -> None:  # noqa: ANN401 - the library's signature
        super()._load_from_state_dict(*given)
        self._blanks.clear()

    def look(self, view: View) -> Tensor:
        """Decode a view to the backbone's pixels [3, side, side]; raises PictureError."""
        return self.transform(view.open(self.backbone.ample))

    def transform(self, picture: Image.Image) -> Tensor:
        """Turn an upright RGB picture into the backbone's pixels [3, side, side]."""
        return self.backbone.transform(picture)

    def train(self, mode: bool = True) -> VisualTower:
        """Enter training mode, except for a frozen backbone: its running statistics must not drift."""
        super().train(mode and not self.constant)
        return self


def spread(levels: Sequence[Tensor], mask: Tensor) -> tuple[Tensor, ...]:
    """Put the K existing pictures' rows [K, ...] of each level at their places in [B, V, ...]; rows after them are not read.

    A GPU is not asked how many there are: that would be to wait for it.
    """
    place, missing = mask.flatten().cumsum(0).sub(1).clamp(min=0), ~mask
    laid = (level.index_select(0, place).view(*mask.shape, *level.shape[1:]) for level in levels)
    return tuple(level.masked_fill(_over(missing, own), 0) for level, own in zip(laid, levels, strict=True))


def _filled(mask: Tensor) -> Tensor:
    """Give [B, V]: whole rows of those that have any picture."""
    return mask.any(1, keepdim=True).expand_as(mask)


def _over(mask: Tensor, level: Tensor) -> Tensor:
    """Give the mask [B, V] such dimensions of 1 that it stands over [B, V, ...], where a level is [K, ...]."""
    return mask.reshape(*mask.shape, *[1] * (level.dim() - 1))
