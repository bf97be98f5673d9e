"""A small convolutional pyramid that needs no download (our own)."""

from __future__ import annotations

from PIL import Image
from torch import Tensor, nn

from hvpkit.contracts import LevelInfo, VisionContext, VisualBackbone
from hvpkit.errors import ComponentError
from hvpkit.vision.transform import to_pixels

SIDE = 64
GROUPS = 8


class CnnFromScratch(VisualBackbone):
    """Four stages of two 3x3 convolutions, each half as large and twice as wide as the one before; group norms, random weights.

    Raises ComponentError when the width does not split into the norms' groups.
    """

    def __init__(self, context: VisionContext, width: int) -> None:
        super().__init__()
        if width % GROUPS:
            raise ComponentError(f"visual backbone 'cnn-from-scratch': width {width} is no multiple of {GROUPS}")
        self.side = context.size or SIDE
        widths = [width * 2**i for i in range(4)]
        self.levels = tuple(LevelInfo(channels, 2 ** (i + 1)) for i, channels in enumerate(widths))
        self.stages = nn.ModuleList(_stage(before, after) for before, after in zip([3, *widths], widths, strict=False))

    def transform(self, picture: Image.Image) -> Tensor:
        """Rescale and normalise: [3, side, side]."""
        return to_pixels(picture, self.side)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Map [K, 3, side, side] to four maps, fine to coarse."""
        maps = []
        for stage in self.stages:
            pixels = stage(pixels)
            maps.append(pixels)
        return maps


def _stage(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False),
        nn.GroupNorm(GROUPS, after),
        nn.ReLU(inplace=True),
        nn.Conv2d(after, after, 3, padding=1, bias=False),
        nn.GroupNorm(GROUPS, after),
        nn.ReLU(inplace=True),
    )
