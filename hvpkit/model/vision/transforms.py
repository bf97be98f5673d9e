"""From an upright RGB image to a backbone's pixels."""

from __future__ import annotations

from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def center_crop(image: Image.Image, side: int) -> Image.Image:
    """Rescale the shorter side to 8/7 of `side`, and cut `side` x `side` out of the middle: 256 and 224 for ImageNet's classifiers."""
    whole = functional.resize(image, [side * 8 // 7], antialias=True)
    cut: Image.Image = functional.center_crop(whole, [side, side])
    return cut


def to_pixels(
    image: Image.Image, side: int, mean: tuple[float, ...] = IMAGENET_MEAN, deviation: tuple[float, ...] = IMAGENET_STD
) -> Tensor:
    """Rescale to `side` x `side` (the whole image, not a part: paper, section 3.1) and normalise: [3, side, side]."""
    resized = image.resize((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0)
    pixels: Tensor = functional.to_dtype(functional.pil_to_tensor(resized), scale=True)
    normalised: Tensor = functional.normalize(pixels, list(mean), list(deviation))
    return normalised
