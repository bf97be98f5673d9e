"""A pyramid of wavelets: fixed filters that tell textures, shapes and colours of small images apart without having seen any."""

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
OPPONENTS = ((1 / 3, 1 / 3, 1 / 3), (1.0, -1.0, 0.0), (0.5, 0.5, -1.0))  # grey, red-green, yellow-blue
CALIBRATION = 48  # images


class Scattering(VisualBackbone):
    """The scattering transform of two orders (Bruna and Mallat 2013, "Invariant scattering convolution networks"), one level a scale.

    A level holds the local mean strength of `orientations` wavelets at its scale in three colours, and of those of the next scale within
    the grey ones; the finest one also the colours themselves. Strengths are logarithms; all are standardised by what images of dead
    leaves give (Lee, Mumford and Huang 2001, "Occlusion models for natural images"), so nothing is learnt from data. The wavelets are
    parameters, for those who want to train them. Raises ComponentError for images whose side is no multiple of 32.
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
        """Rescale to values in 0..1: [3, side, side]."""
        return to_pixels(image, self.side, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Map [K, 3, side, side] to four maps [K, C_i, side / 32, side / 32], of the finest wavelets first."""
        return [(level - self.get_buffer(f"mean_{i}")) / self.get_buffer(f"deviation_{i}") for i, level in enumerate(self._raw(pixels))]

    def provenance_notes(self) -> list[str]:
        """Say that nothing was learnt, if so."""
        return [] if self.wavelets.requires_grad else [Message("wavelets-untrained")]

    def _raw(self, pixels: Tensor) -> list[Tensor]:
        blurred, maps = conv2d(pixels, self.opponents), []
        for scale in range(LEVELS):
            first = self._strength(blurred)  # [K, 3 * orientations, s, s]
            second = self._strength(avg_pool2d(first[:, : self.orientations], 2))  # [K, orientations^2, s / 2, s / 2]
            within = STRIDE >> scale
            maps.append(torch.cat([_loudness(first, within), _loudness(second, within // 2)], dim=1))
            blurred = avg_pool2d(blurred, 2)
        colours = torch.cat([conv2d(pixels, self.opponents), _hues(pixels)], dim=1)
        return [torch.cat([maps[0], avg_pool2d(colours, STRIDE)], dim=1), *maps[1:]]

    def _strength(self, maps: Tensor) -> Tensor:
        """Give the modulus of each wavelet's answer to each map: [K, C, s, s] to [K, C * orientations, s, s]."""
        edge = KERNEL // 2
        images, channels, height, width = maps.shape
        answers = conv2d(pad(maps.reshape(-1, 1, height, width), [edge] * 4, mode="replicate"), self.wavelets)
        power = answers.square().reshape(images, channels * self.orientations, 2, height, width).sum(2)
        return (power + 1e-8).sqrt()  # the root's slope at 0 is endless

    @torch.no_grad()
    def _calibrate(self) -> None:
        chance = Random(0)
        pixels = torch.stack([self.transform(dead_leaves(self.side, chance)) for _ in range(CALIBRATION)])
        for i, level in enumerate(self._raw(pixels)):
            deviation, mean = torch.std_mean(level, dim=(0, 2, 3), keepdim=True)
            self.get_buffer(f"mean_{i}").copy_(mean[0])
            self.get_buffer(f"deviation_{i}").copy_(deviation[0].clamp(min=1e-3))


def _wavelets(orientations: int) -> Tensor:
    """Give complex Gabor wavelets of mean 0 as real and imaginary parts in turn: [2 * orientations, 1, 7, 7]."""
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


def _loudness(strength: Tensor, window: int) -> Tensor:
    return torch.log(avg_pool2d(strength, window) + 1e-2)


def _hues(pixels: Tensor) -> Tensor:
    """Give how much of each of twelve hues there is, [K, 12, s, s], from colours [K, 3, s, s] in 0..1."""
    red, green, blue = pixels.unbind(1)
    angle = torch.atan2(math.sqrt(3) * (green - blue), 2 * red - green - blue)
    turns = torch.arange(HUES, device=pixels.device)[:, None, None] * (2 * math.pi / HUES)
    return torch.cos(angle[:, None] - turns).clamp(min=0).pow(8) * (pixels.amax(1) - pixels.amin(1))[:, None]


def dead_leaves(side: int, chance: Random) -> Image.Image:
    """Draw discs of all sizes and colours over each other, a simple model of what natural images have in common."""
    image = Image.new("RGB", (side, side), tuple(chance.randrange(256) for _ in range(3)))
    draw = ImageDraw.Draw(image)
    for _ in range(150):
        x, y, radius = chance.uniform(0, side), chance.uniform(0, side), side * 0.03 / max(chance.random(), 0.06)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), tuple(chance.randrange(256) for _ in range(3)))
    return image
