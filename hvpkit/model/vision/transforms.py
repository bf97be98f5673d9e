"""Conversion of upright RGB images to the pixels of a backbone."""

from __future__ import annotations

from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def center_crop(image: Image.Image, side: int) -> Image.Image:
    """Rescale the shorter side to 8/7 of `side` (256 for 224) and crop the center.

    Args:
        image: Upright RGB image.
        side: Side of the result in pixels.
    """
    resized = functional.resize(image, [side * 8 // 7], antialias=True)
    cropped: Image.Image = functional.center_crop(resized, [side, side])
    return cropped


def to_pixels(
    image: Image.Image, side: int, mean: tuple[float, ...] = IMAGENET_MEAN, deviation: tuple[float, ...] = IMAGENET_STD
) -> Tensor:
    """Rescale the full image to `side` x `side` and normalize it, [3, side, side].

    Args:
        image: Upright RGB image.
        side: Side of the result in pixels.
        mean: Mean of each color channel, for values in 0..1.
        deviation: Standard deviation of each color channel.

    Source: Chen et al. 2022, section 3.1.
    """
    resized = image.resize((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0)
    pixels: Tensor = functional.to_dtype(functional.pil_to_tensor(resized), scale=True)
    normalized: Tensor = functional.normalize(pixels, list(mean), list(deviation))
    return normalized
