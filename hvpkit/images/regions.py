"""Image regions of an example, in the order of the model: the full image, then its objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from hvpkit.errors import ImageError
from hvpkit.images.decode import crop, image_size, open_image
from hvpkit.types import Box, Example, ImageSource, VisualObject

FULL_BOX = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class ImageRegion:
    """Image, or a box of it.

    Attributes:
        image: Image.
        box: Box to crop, in pixels of the upright image; None for the whole image.
        normalized_box: Left, top, right and bottom of the region in the full image, 0..1.
    """

    image: ImageSource
    box: Box | None = None
    normalized_box: tuple[float, float, float, float] = FULL_BOX

    def open(self, min_decode_size: int | None = None) -> Image.Image:
        """Decode the region to upright RGB.

        Args:
            min_decode_size: Side length in pixels down to which JPEGs without a box may be decoded at reduced size.

        Raises:
            ImageError: Codes of `open_image`, or "box-outside".
        """
        [image] = open_regions([self], min_decode_size=min_decode_size)
        if isinstance(image, ImageError):
            raise image
        return image


def open_regions(
    regions: Sequence[ImageRegion], content: bytes | None = None, min_decode_size: int | None = None
) -> list[Image.Image | ImageError]:
    """Decode regions of one image: once for all boxes and once for the full image.

    Args:
        regions: Regions of the same image.
        content: Bytes of its file, if they were read before.
        min_decode_size: As for `ImageRegion.open`.

    Returns:
        An image or the error for each region.
    """
    opened: dict[bool, Image.Image | ImageError] = {}
    for has_box in {region.box is not None for region in regions}:
        min_size = None if has_box else min_decode_size
        try:
            opened[has_box] = open_image(regions[0].image, content=content, min_decode_size=min_size)
        except ImageError as error:
            opened[has_box] = error
    return [_crop(opened[region.box is not None], region.box) for region in regions]


def _crop(image: Image.Image | ImageError, box: Box | None) -> Image.Image | ImageError:
    if box is None or isinstance(image, ImageError):
        return image
    try:
        return crop(image, box)
    except ImageError as error:
        return error


def image_regions(example: Example, *, whole: bool, objects: int) -> tuple[ImageRegion | None, ...]:
    """List the V image regions of an example, None for missing ones.

    Args:
        example: Example with image and objects.
        whole: Whether the full image is the first region.
        objects: Number of objects; missing ones are padded with None.

    Raises:
        ImageError: Codes of `open_image`, if boxes must be normalized and the size of the image cannot be read.
    """
    full = [None if example.image is None else ImageRegion(example.image)] if whole else []
    used, image = example.objects[:objects], example.image
    size = None if image is None or all(item.box is None for item in used) else image_size(image)
    regions = [_object_region(image, size, item) for item in used]
    return (*full, *regions, *[None] * (objects - len(regions)))


def _object_region(image: ImageSource | None, size: tuple[int, int] | None, item: VisualObject) -> ImageRegion | None:
    normalized = FULL_BOX if item.box is None or size is None else _normalize(item.box, size)
    if item.image is not None:
        return ImageRegion(item.image, None, normalized)
    return None if image is None or item.box is None else ImageRegion(image, item.box, normalized)


def _normalize(box: Box, size: tuple[int, int]) -> tuple[float, float, float, float]:
    width, height = size
    left, top, right, bottom = (
        min(max(edge / side, 0.0), 1.0)  # boxes may extend beyond the image
        for edge, side in ((box.left, width), (box.top, height), (box.right, width), (box.bottom, height))
    )
    return left, top, right, bottom
