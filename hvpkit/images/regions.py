"""The pictures of an example as the model sees them: the whole picture, then its objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from hvpkit.errors import PictureError
from hvpkit.images.decode import crop, open_picture, picture_size
from hvpkit.types import Box, Example, VisualObject

WHOLE = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class View:
    """A picture file, or a box of it; `place` is left, top, right, bottom in shares 0..1 of the whole picture."""

    file: Path
    box: Box | None = None
    place: tuple[float, float, float, float] = WHOLE

    def open(self, ample: int | None = None) -> Image.Image:
        """Decode it, upright and RGB; raises PictureError.

        With `ample` a whole JPEG may come smaller than it is, but no side shorter than that.
        """
        [picture] = open_views([self], ample=ample)
        if isinstance(picture, PictureError):
            raise picture
        return picture


def open_views(views: Sequence[View], content: bytes | None = None, ample: int | None = None) -> list[Image.Image | PictureError]:
    """Decode views of one file, from its `content` if that was read already: once for all boxes, once for the whole (see `View.open`)."""
    opened: dict[bool, Image.Image | PictureError] = {}
    for boxed in {view.box is not None for view in views}:
        try:
            opened[boxed] = open_picture(views[0].file, content=content, ample=None if boxed else ample)
        except PictureError as fault:
            opened[boxed] = fault
    return [_cut(opened[view.box is not None], view.box) for view in views]


def _cut(picture: Image.Image | PictureError, box: Box | None) -> Image.Image | PictureError:
    if box is None or isinstance(picture, PictureError):
        return picture
    try:
        return crop(picture, box)
    except PictureError as fault:
        return fault


def views(example: Example, *, whole: bool, objects: int) -> tuple[View | None, ...]:
    """List the V views of an example, None where a picture is missing; raises PictureError when the whole picture cannot be read."""
    first = [None if example.image is None else View(example.image)] if whole else []
    shown, image = example.objects[:objects], example.image
    size = None if image is None or all(thing.box is None for thing in shown) else picture_size(image)
    found = [_object(image, size, thing) for thing in shown]
    return (*first, *found, *[None] * (objects - len(found)))


def _object(image: Path | None, size: tuple[int, int] | None, thing: VisualObject) -> View | None:
    place = WHOLE if thing.box is None or size is None else _share(thing.box, size)
    if thing.image is not None:
        return View(thing.image, None, place)
    return None if image is None or thing.box is None else View(image, thing.box, place)


def _share(box: Box, size: tuple[int, int]) -> tuple[float, float, float, float]:
    width, height = size
    left, top, right, bottom = (
        min(max(edge / side, 0.0), 1.0)  # boxes may stand out of the picture
        for edge, side in ((box.left, width), (box.top, height), (box.right, width), (box.bottom, height))
    )
    return left, top, right, bottom
