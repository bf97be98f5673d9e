"""The visual tower: images to a pyramid on one grid (Chen et al. 2022, eq. 1)."""

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
from hvpkit.images.regions import ImageRegion
from hvpkit.interfaces import ImageBatch, Visual, VisualBackbone


@dataclass(frozen=True)
class TowerOptions:
    """How a tower differs from the paper's, as the release of Chen et al. 2022 does.

    `pooling: floor` pools with kernel = stride = side // grid, which leaves cells at the edge out where that does not come out even.
    `missing: zeros` shows zeros (the mean image) in place of missing images where an example has any image, instead of masking them.
    `drifting` lets the running statistics of a frozen backbone go on in training.
    """

    pooling: Literal["adaptive", "floor"] = "adaptive"
    missing: Literal["mask", "zeros"] = "mask"
    update_batchnorm_stats: bool = False


class VisualTower(nn.Module):
    """A backbone whose maps are pooled to a `grid` x `grid` of P cells; a frozen one stays in evaluation mode."""

    def __init__(self, backbone: VisualBackbone, *, grid: int, frozen: bool, options: TowerOptions = TowerOptions()) -> None:  # noqa: B008 - frozen
        super().__init__()
        self.backbone, self.grid, self.frozen, self.options = backbone, grid, frozen, options
        self._blanks: dict[torch.device, tuple[Tensor, ...]] = {}
        self.requires_grad_(not frozen)
        self.train()

    @property
    def is_frozen(self) -> bool:
        """Say whether an image's pyramid stays the same in training, so that it can be kept."""
        return self.frozen and not self.options.update_batchnorm_stats

    @property
    def device(self) -> torch.device:
        """Say where its weights are; the CPU where it has none."""
        return next((tensor.device for tensor in chain(self.parameters(), self.buffers())), torch.device("cpu"))

    def forward(self, images: ImageBatch) -> Visual:
        """Give C levels [B, V, C_i, P], zero where an image is missing."""
        zeros = self.options.missing == "zeros"
        if zeros and images.features is None:
            images = self._zero_fill_missing(images)
        levels = images.features or self.pyramid(images.pixels)
        visual = Visual(scatter_by_mask(levels, images.mask), images)
        return self._with_blank_levels(visual) if zeros and images.features is not None else visual

    def pyramid(self, pixels: Tensor | None) -> tuple[Tensor, ...]:
        """Map pixels [K, 3, side, side] to C pooled levels [K, C_i, P]; raises ComponentError for a map of too few cells."""
        if pixels is None:
            raise ValueError("images hold neither pixels nor features")
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            return tuple(level if level.dim() == 3 else self._pooled(level).flatten(2) for level in self.backbone(pixels))

    def _pooled(self, level: Tensor) -> Tensor:
        if self.options.pooling == "adaptive":
            return adaptive_avg_pool2d(level, self.grid)
        height, width = (side // self.grid for side in level.shape[2:])
        if not height or not width:
            raise ComponentError("grid-too-fine", grid=self.grid, height=level.shape[2], width=level.shape[3])
        return avg_pool2d(level, (height, width))[:, :, : self.grid, : self.grid]

    def _zero_fill_missing(self, images: ImageBatch) -> ImageBatch:
        """Put zeros in the place of missing images in rows that have any."""
        filled = _filled(images.mask)
        pixels = None if images.pixels is None else scatter_by_mask([images.pixels], images.mask)[0][filled]
        return replace(images, mask=filled, pixels=pixels)

    def _with_blank_levels(self, visual: Visual) -> Visual:
        """Put what the network makes of zeros in the place of missing images in rows that have any."""
        mask, filled = visual.mask, _filled(visual.mask)
        pairs = zip(visual.levels, self._blank(visual.levels[0].device), strict=True)
        levels = (torch.where(_over(mask, own), level, own * _over(filled, own)) for level, own in pairs)
        return Visual(tuple(levels), replace(visual.images, mask=filled))

    def _blank(self, device: torch.device) -> tuple[Tensor, ...]:
        """Give the pyramid of zeros, which is kept as those of images are where they are: in float32."""
        if device not in self._blanks:
            learns = torch.is_grad_enabled()
            with torch.inference_mode(False), torch.set_grad_enabled(learns), torch.autocast(device.type, enabled=False):
                blank = self.pyramid(torch.zeros(1, *self.transform(Image.new("RGB", (8, 8))).shape, device=device))
            if not self.is_frozen:
                return blank
            self._blanks[device] = blank
        return self._blanks[device]

    def _load_from_state_dict(self, *given: Any) -> None:  # noqa: ANN401 - the library's signature
        super()._load_from_state_dict(*given)
        self._blanks.clear()

    def load_pixels(self, view: ImageRegion) -> Tensor:
        """Decode a view to the backbone's pixels [3, side, side]; raises ImageError."""
        return self.transform(view.open(self.backbone.min_decode_size))

    def transform(self, image: Image.Image) -> Tensor:
        """Turn an upright RGB image into the backbone's pixels [3, side, side]."""
        return self.backbone.transform(image)

    def train(self, mode: bool = True) -> VisualTower:
        """Enter training mode, except for a frozen backbone: its running statistics must not drift."""
        super().train(mode and not self.is_frozen)
        return self


def scatter_by_mask(levels: Sequence[Tensor], mask: Tensor) -> tuple[Tensor, ...]:
    """Put the K existing images' rows [K, ...] of each level at their places in [B, V, ...]; rows after them are not read.

    A GPU is not asked how many there are: that would be to wait for it.
    """
    place, missing = mask.flatten().cumsum(0).sub(1).clamp(min=0), ~mask
    laid = (level.index_select(0, place).view(*mask.shape, *level.shape[1:]) for level in levels)
    return tuple(level.masked_fill(_over(missing, own), 0) for level, own in zip(laid, levels, strict=True))


def _filled(mask: Tensor) -> Tensor:
    """Give [B, V]: whole rows of those that have any image."""
    return mask.any(1, keepdim=True).expand_as(mask)


def _over(mask: Tensor, level: Tensor) -> Tensor:
    """Give the mask [B, V] such dimensions of 1 that it stands over [B, V, ...], where a level is [K, ...]."""
    return mask.reshape(*mask.shape, *[1] * (level.dim() - 1))
