"""Visual tower: a backbone whose feature maps are pooled to a common grid."""

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
    """Options that reproduce the released code where it differs from the paper.

    Attributes:
        pooling: `floor` pools with kernel = stride = side // grid, which drops the right and bottom edge
            if the side is not a multiple of the grid.
        missing: `zeros` replaces the missing images of an example by zeros (the mean image) if it has at least one
            image; `mask` masks them.
        update_batchnorm_stats: Update the running statistics of a frozen backbone in training.

    Source: code released with Chen et al. 2022.
    """

    pooling: Literal["adaptive", "floor"] = "adaptive"
    missing: Literal["mask", "zeros"] = "mask"
    update_batchnorm_stats: bool = False


class VisualTower(nn.Module):
    """A backbone whose maps are pooled to a grid of P cells; a frozen one stays in evaluation mode.

    Args:
        backbone: The backbone.
        grid: Side of the grid in cells, so that P = grid**2.
        frozen: Whether the backbone is not trained.
        options: Differences from the paper.

    Source: Chen et al. 2022, eq. 1.
    """

    def __init__(
        self,
        backbone: VisualBackbone,
        *,
        grid: int,
        frozen: bool,
        options: TowerOptions = TowerOptions(),  # noqa: B008 - frozen
    ) -> None:
        super().__init__()
        self.backbone, self.grid, self.frozen, self.options = backbone, grid, frozen, options
        self._zero_image_cache: dict[torch.device, tuple[Tensor, ...]] = {}
        self.requires_grad_(not frozen)
        self.train()

    @property
    def is_frozen(self) -> bool:
        """Return whether features of an image do not change in training, so that they can be cached.

        Unlike `frozen`, this is False if training updates batch-norm statistics.
        """
        return self.frozen and not self.options.update_batchnorm_stats

    @property
    def graph_safe(self) -> bool:
        """Return whether training steps may be captured as CUDA graphs; features of a frozen tower are cached."""
        return self.is_frozen or (self.backbone.graph_safe and self.options.missing != "zeros")

    @property
    def device(self) -> torch.device:
        """Return the device of the weights; the CPU if there are none."""
        return next((tensor.device for tensor in chain(self.parameters(), self.buffers())), torch.device("cpu"))

    def forward(self, images: ImageBatch) -> Visual:
        """Compute C levels [B, V, C_i, P], zero where an image region is missing."""
        zeros = self.options.missing == "zeros"
        if zeros and images.features is None:
            images = self._zero_fill_missing(images)
        levels = images.features or self.pyramid(images.pixels)
        visual = Visual(scatter_by_mask(levels, images.mask), images)
        return self._fill_missing_levels(visual) if zeros and images.features is not None else visual

    def pyramid(self, pixels: Tensor | None) -> tuple[Tensor, ...]:
        """Compute C pooled levels [K, C_i, P] from pixels [K, 3, side, side].

        Raises:
            ComponentError: "grid-too-fine" if a map has fewer cells than the grid.
        """
        if pixels is None:
            raise ValueError("The batch has neither pixels nor features of its images.")
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            levels = self.backbone(pixels)
            return tuple(level if level.dim() == 3 else self._pool(level).flatten(2) for level in levels)

    def _pool(self, level: Tensor) -> Tensor:
        if self.options.pooling == "adaptive":
            return adaptive_avg_pool2d(level, self.grid)
        height, width = (side // self.grid for side in level.shape[2:])
        if not height or not width:
            raise ComponentError("grid-too-fine", grid=self.grid, height=level.shape[2], width=level.shape[3])
        return avg_pool2d(level, (height, width))[:, :, : self.grid, : self.grid]

    def _zero_fill_missing(self, images: ImageBatch) -> ImageBatch:
        """Replace missing images by zero pixels in examples with at least one image."""
        filled = _fill_rows(images.mask)
        pixels = None if images.pixels is None else scatter_by_mask([images.pixels], images.mask)[0][filled]
        return replace(images, mask=filled, pixels=pixels)

    def _fill_missing_levels(self, visual: Visual) -> Visual:
        """Replace missing images by the features of zero pixels in examples with at least one image."""
        mask, filled = visual.mask, _fill_rows(visual.mask)
        pairs = zip(visual.levels, self._zero_image_features(visual.levels[0].device), strict=True)
        levels = (
            torch.where(_expand_mask(mask, zero_image), level, zero_image * _expand_mask(filled, zero_image))
            for level, zero_image in pairs
        )
        return Visual(tuple(levels), replace(visual.images, mask=filled))

    def _zero_image_features(self, device: torch.device) -> tuple[Tensor, ...]:
        """Return the features of zero pixels in float32; they are cached if the tower is frozen."""
        if device not in self._zero_image_cache:
            is_grad_enabled = torch.is_grad_enabled()
            zeros = torch.zeros(1, *self.transform(Image.new("RGB", (8, 8))).shape, device=device)
            with (
                torch.inference_mode(False),
                torch.set_grad_enabled(is_grad_enabled),
                torch.autocast(device.type, enabled=False),
            ):
                zero_image = self.pyramid(zeros)
            if not self.is_frozen:
                return zero_image
            self._zero_image_cache[device] = zero_image
        return self._zero_image_cache[device]

    def _load_from_state_dict(self, *args: Any) -> None:  # noqa: ANN401 - torch's signature
        super()._load_from_state_dict(*args)
        self._zero_image_cache.clear()

    def load_pixels(self, region: ImageRegion) -> Tensor:
        """Decode an image region to the pixels of the backbone, [3, side, side].

        Raises:
            ImageError: If the image cannot be decoded.
        """
        return self.transform(region.open(self.backbone.min_decode_size))

    def transform(self, image: Image.Image) -> Tensor:
        """Convert an upright RGB image to the pixels of the backbone, [3, side, side]."""
        return self.backbone.transform(image)

    def train(self, mode: bool = True) -> VisualTower:
        """Set training mode; a frozen backbone stays in evaluation mode, so that its statistics do not change."""
        super().train(mode and not self.is_frozen)
        return self


def scatter_by_mask(levels: Sequence[Tensor], mask: Tensor) -> tuple[Tensor, ...]:
    """Scatter the rows of the K existing image regions of each level to [B, V, ...]; missing ones are 0.

    The value of K is never read, since that would synchronize with the GPU.

    Args:
        levels: Tensors [K, ...]; rows after the K-th are ignored.
        mask: True for image regions that exist, [B, V] bool.
    """
    indices, missing = mask.flatten().cumsum(0).sub(1).clamp(min=0), ~mask
    gathered = (level.index_select(0, indices).view(*mask.shape, *level.shape[1:]) for level in levels)
    return tuple(
        scattered.masked_fill(_expand_mask(missing, level), 0)
        for scattered, level in zip(gathered, levels, strict=True)
    )


def _fill_rows(mask: Tensor) -> Tensor:
    """Return a mask [B, V] that is True in all of a row if the row has at least one image."""
    return mask.any(1, keepdim=True).expand_as(mask)


def _expand_mask(mask: Tensor, level: Tensor) -> Tensor:
    """Add dimensions to a mask [B, V] so that it broadcasts to [B, V, ...], for a level [K, ...]."""
    return mask.reshape(*mask.shape, *[1] * (level.dim() - 1))
