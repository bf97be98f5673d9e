"""Random colors and gradients for drawing."""

from __future__ import annotations

import colorsys
from functools import cache
from random import Random

from PIL import Image, ImageOps

Color = tuple[int, int, int]
Range = tuple[float, float]


def color(rng: Random, hue: Range = (0, 360), saturation: Range = (0.55, 0.9), value: Range = (0.5, 0.9)) -> Color:
    """Sample a color from ranges of hue in degrees, saturation 0..1 and value 0..1."""
    red, green, blue = colorsys.hsv_to_rgb(rng.uniform(*hue) % 360 / 360, rng.uniform(*saturation), rng.uniform(*value))
    return round(red * 255), round(green * 255), round(blue * 255)


def pale(rng: Random) -> Color:
    """Sample a light, muted color."""
    return color(rng, saturation=(0.05, 0.25), value=(0.85, 0.98))


def shade(base: Color, factor: float) -> Color:
    """Darken a color (factor below 1) or lighten it (above 1)."""
    red, green, blue = (min(255, round(channel * factor)) for channel in base)
    return red, green, blue


def gradient(width: int, height: int, top: Color, bottom: Color) -> Image.Image:
    """Paint a rectangle with a vertical gradient."""
    return ImageOps.colorize(_ramp(), top, bottom).resize((width, height), Image.Resampling.BILINEAR)


@cache
def _ramp() -> Image.Image:
    return Image.linear_gradient("L").resize((1, 64), Image.Resampling.BOX)
