"""Scattering transform: fixed wavelets that distinguish textures, shapes and colors of small images."""

from __future__ import annotations

import math
from random import Random

import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, pad

from hvpkit.errors import ComponentError
from hvpkit.interfaces import LevelInfo, VisionContext, VisualBackbone
from hvpkit.messages import Message
from hvpkit.model.vision.transforms import to_pixels

SIDE = 64
LEVELS = 4
STRIDE = 2 ** (LEVELS + 1)
KERNEL = 7
HUES = 12
OPPONENTS = ((1 / 3, 1 / 3, 1 / 3), (1.0, -1.0, 0.0), (0.5, 0.5, -1.0))  # gray, red-green, yellow-blue
CALIBRATION = 48  # images


class Scattering(VisualBackbone):
    """Compute the scattering transform of order two, with one level per scale.

    A level contains the local mean magnitude of `orientations` wavelets at its scale in three color channels, and of
    those at the next scale in the magnitudes of the gray channel; the finest level also contains the colors.
    Magnitudes are logarithms, and all channels are standardized by the statistics of dead-leaves images, so nothing is
    trained on data. The wavelets are parameters, which can be trained.

    Args:
        context: What the backbone is built from.
        orientations: Number of orientations of the wavelets.

    Raises:
        ComponentError: "image-size-not-multiple" if the side of the images is not a multiple of 32.

    Source: Bruna and Mallat 2013, "Invariant scattering convolution networks"; Lee, Mumford and Huang 2001, "Occlusion
    models for natural images".
    """

    opponents: Tensor

    def __init__(self, context: VisionContext, orientations: int) -> None:
        super().__init__()
        self.side, self.orientations = context.size or SIDE, orientations
        if self.side % STRIDE:
            raise ComponentError("image-size-not-multiple", backbone="scattering", size=self.side, multiple=STRIDE)
        channels = orientations * (3 + orientations)
        self.levels = (LevelInfo(channels + 3 + HUES, STRIDE), *[LevelInfo(channels, STRIDE)] * (LEVELS - 1))
        self.wavelets = nn.Parameter(_wavelets(orientations))  # [2 * orientations, 1, 7, 7]
        self.register_buffer("opponents", torch.tensor(OPPONENTS)[..., None, None], persistent=False)
        for i, level in enumerate(self.levels):
            self.register_buffer(f"mean_{i}", torch.zeros(level.channels, 1, 1))
            self.register_buffer(f"deviation_{i}", torch.ones(level.channels, 1, 1))
        if context.folder is None:
            self._calibrate()

    def transform(self, image: Image.Image) -> Tensor:
        """Rescale an image to [3, side, side] with values 0..1."""
        return to_pixels(image, self.side, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Compute four maps [K, C_i, side/32, side/32], finest wavelets first, from pixels [K, 3, side, side]."""
        return [
            (level - self.get_buffer(f"mean_{i}")) / self.get_buffer(f"deviation_{i}")
            for i, level in enumerate(self._raw(pixels))
        ]

    def provenance_notes(self) -> list[str]:
        """Return a note if the wavelets are not trained."""
        return [] if self.wavelets.requires_grad else [Message("wavelets-untrained")]

    def _raw(self, pixels: Tensor) -> list[Tensor]:
        """Compute the maps before standardization."""
        blurred, maps = conv2d(pixels, self.opponents), []
        for scale in range(LEVELS):
            first = self._magnitude(blurred)  # [K, 3 * orientations, s, s]
            second = self._magnitude(avg_pool2d(first[:, : self.orientations], 2))  # [K, orientations^2, s / 2, s / 2]
            window = STRIDE >> scale
            maps.append(torch.cat([_log_mean(first, window), _log_mean(second, window // 2)], dim=1))
            blurred = avg_pool2d(blurred, 2)
        colors = torch.cat([conv2d(pixels, self.opponents), _hues(pixels)], dim=1)
        return [torch.cat([maps[0], avg_pool2d(colors, STRIDE)], dim=1), *maps[1:]]

    def _magnitude(self, maps: Tensor) -> Tensor:
        """Compute the modulus of each wavelet's response to maps [K, C, s, s], [K, C*orientations, s, s]."""
        edge = KERNEL // 2
        images, channels, height, width = maps.shape
        responses = conv2d(pad(maps.reshape(-1, 1, height, width), [edge] * 4, mode="replicate"), self.wavelets)
        power = responses.square().reshape(images, channels * self.orientations, 2, height, width).sum(2)
        return (power + 1e-8).sqrt()  # the gradient of the root is infinite at 0

    @torch.no_grad()
    def _calibrate(self) -> None:
        """Set mean and deviation of each channel to those of dead-leaves images."""
        rng = Random(0)
        pixels = torch.stack([self.transform(dead_leaves(self.side, rng)) for _ in range(CALIBRATION)])
        for i, level in enumerate(self._raw(pixels)):
            deviation, mean = torch.std_mean(level, dim=(0, 2, 3), keepdim=True)
            self.get_buffer(f"mean_{i}").copy_(mean[0])
            self.get_buffer(f"deviation_{i}").copy_(deviation[0].clamp(min=1e-3))


def _wavelets(orientations: int) -> Tensor:
    """Build Gabor wavelets of mean 0, alternating real and imaginary parts: [2 * orientations, 1, 7, 7]."""
    line = torch.arange(KERNEL) - KERNEL // 2
    y, x = torch.meshgrid(line, line, indexing="ij")
    filters = []
    for angle in (math.pi * i / orientations for i in range(orientations)):
        along, across = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
        envelope = torch.exp(-(along**2 + (0.6 * across) ** 2) / 2)
        even, odd = envelope * torch.cos(0.75 * math.pi * along), envelope * torch.sin(0.75 * math.pi * along)
        even = even - envelope * even.sum() / envelope.sum()
        filters += [even / even.abs().sum(), odd / even.abs().sum()]
    return torch.stack(filters)[:, None]


def _log_mean(magnitude: Tensor, window: int) -> Tensor:
    return torch.log(avg_pool2d(magnitude, window) + 1e-2)


def _hues(pixels: Tensor) -> Tensor:
    """Compute the strength of twelve hues [K, 12, s, s] from pixels [K, 3, s, s] in 0..1."""
    red, green, blue = pixels.unbind(1)
    angle = torch.atan2(math.sqrt(3) * (green - blue), 2 * red - green - blue)
    turns = torch.arange(HUES, device=pixels.device)[:, None, None] * (2 * math.pi / HUES)
    return torch.cos(angle[:, None] - turns).clamp(min=0).pow(8) * (pixels.amax(1) - pixels.amin(1))[:, None]


def dead_leaves(side: int, rng: Random) -> Image.Image:
    """Draw overlapping discs of random sizes and colors, a statistical model of natural images.

    Args:
        side: Side of the image in pixels.
        rng: Random number generator.
    """
    image = Image.new("RGB", (side, side), tuple(rng.randrange(256) for _ in range(3)))
    draw = ImageDraw.Draw(image)
    for _ in range(150):
        x, y, radius = rng.uniform(0, side), rng.uniform(0, side), side * 0.03 / max(rng.random(), 0.06)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), tuple(rng.randrange(256) for _ in range(3)))
    return image
