"""A small convolutional pyramid that needs no download (our own)."""

from __future__ import annotations

from PIL import Image
from torch import Tensor, nn

from hvpkit.contracts import LevelInfo, VisionContext, VisualBackbone
from hvpkit.vision.transform import to_pixels

SIDE = 64
LEVELS = 4


class CnnFromScratch(VisualBackbone):
    """Four stages of 3x3 convolutions, each half as large and twice as wide as the one before; batch norms, random weights.

    A level is what leaves a stage's last norm, before the ReLU: it is zero on average, so that a pooled level tells pictures apart from
    the first step on instead of saying the same of each.
    """

    def __init__(self, context: VisionContext, width: int) -> None:
        super().__init__()
        self.side = context.size or SIDE
        widths = [width * 2**i for i in range(LEVELS)]
        self.levels = tuple(LevelInfo(channels, 2 ** (i + 1)) for i, channels in enumerate(widths))
        self.stages = nn.ModuleList(
            [_halved(3, width), *(_stage(before, after) for before, after in zip(widths, widths[1:], strict=False))]
        )

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
    convolution = nn.Conv2d(after, after, 3, padding=1, bias=False)
    return nn.Sequential(nn.ReLU(), _halved(before, after), nn.ReLU(), convolution, nn.BatchNorm2d(after))


def _halved(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(after))
