"""The images of an example as the model sees them: the whole image, then its objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from hvpkit.errors import ImageError
from hvpkit.images.decode import crop, image_size, open_image
from hvpkit.types import Box, Example, VisualObject

FULL_BOX = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class ImageRegion:
    """An image file, or a box of it; `place` is left, top, right, bottom in shares 0..1 of the whole image."""

    file: Path
    box: Box | None = None
    normalized_box: tuple[float, float, float, float] = FULL_BOX

    def open(self, ample: int | None = None) -> Image.Image:
        """Decode it, upright and RGB; raises ImageError.

        With `ample` a whole JPEG may come smaller than it is, but no side shorter than that.
        """
        [image] = open_regions([self], ample=ample)
        if isinstance(image, ImageError):
            raise image
        return image


def open_regions(views: Sequence[ImageRegion], content: bytes | None = None, ample: int | None = None) -> list[Image.Image | ImageError]:
    """Decode views of one file, from its `content` if that was read already: once for all boxes, once for the whole (see `View.open`)."""
    opened: dict[bool, Image.Image | ImageError] = {}
    for boxed in {view.box is not None for view in views}:
        try:
            opened[boxed] = open_image(views[0].file, content=content, ample=None if boxed else ample)
        except ImageError as fault:
            opened[boxed] = fault
    return [_cut(opened[view.box is not None], view.box) for view in views]


def _cut(image: Image.Image | ImageError, box: Box | None) -> Image.Image | ImageError:
    if box is None or isinstance(image, ImageError):
        return image
    try:
        return crop(image, box)
    except ImageError as fault:
        return fault


def image_regions(example: Example, *, whole: bool, objects: int) -> tuple[ImageRegion | None, ...]:
    """List the V views of an example, None where an image is missing; raises ImageError when the whole image cannot be read."""
    first = [None if example.image is None else ImageRegion(example.image)] if whole else []
    shown, image = example.objects[:objects], example.image
    size = None if image is None or all(thing.box is None for thing in shown) else image_size(image)
    found = [_object(image, size, thing) for thing in shown]
    return (*first, *found, *[None] * (objects - len(found)))


def _object(image: Path | None, size: tuple[int, int] | None, thing: VisualObject) -> ImageRegion | None:
    place = FULL_BOX if thing.box is None or size is None else _share(thing.box, size)
    if thing.image is not None:
        return ImageRegion(thing.image, None, place)
    return None if image is None or thing.box is None else ImageRegion(image, thing.box, place)


def _share(box: Box, size: tuple[int, int]) -> tuple[float, float, float, float]:
    width, height = size
    left, top, right, bottom = (
        min(max(edge / side, 0.0), 1.0)  # boxes may stand out of the image
        for edge, side in ((box.left, width), (box.top, height), (box.right, width), (box.bottom, height))
    )
    return left, top, right, bottom
