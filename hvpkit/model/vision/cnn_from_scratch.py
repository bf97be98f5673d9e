"""Small convolutional network without download."""

from __future__ import annotations

from PIL import Image
from torch import Tensor, nn

from hvpkit.interfaces import LevelInfo, VisionContext, VisualBackbone
from hvpkit.model.vision.transforms import to_pixels

SIDE = 64
LEVELS = 4


class CnnFromScratch(VisualBackbone):
    """Four stages of 3x3 convolutions; each halves the resolution and doubles the channels.

    A batch norm follows each ReLU, so that levels have mean zero and pooled features differ between images from the
    first step on.

    Args:
        context: What the backbone is built from.
        width: Channels of the finest level.

    Source: own.
    """

    graph_safe = True

    def __init__(self, context: VisionContext, width: int) -> None:
        super().__init__()
        self.side = context.size or SIDE
        self.min_decode_size = 2 * self.side
        widths = [width * 2**i for i in range(LEVELS)]
        self.levels = tuple(LevelInfo(channels, 2 ** (i + 1)) for i, channels in enumerate(widths))
        stages = [_block(3, width, 2)]
        stages += [
            nn.Sequential(_block(before, 2 * before, 2), _block(2 * before, 2 * before, 1)) for before in widths[:-1]
        ]
        self.stages = nn.ModuleList(stages)

    def transform(self, image: Image.Image) -> Tensor:
        """Rescale and normalize an image to [3, side, side]."""
        return to_pixels(image, self.side)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Compute four maps, fine to coarse, from pixels [K, 3, side, side]."""
        maps = []
        for stage in self.stages:
            pixels = stage(pixels)
            maps.append(pixels)
        return maps


def _block(before: int, after: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, stride, padding=1), nn.ReLU(), nn.BatchNorm2d(after))
