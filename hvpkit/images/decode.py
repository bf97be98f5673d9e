"""Decoding images that nobody vouches for: upright RGB or a ImageError, never a crash or a flood of memory (no torch).

What is the machine's fault, such as too many open files, is no fault of an image and stays the OSError that it is.
"""

from __future__ import annotations

import errno
import io
import math
import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from hvpkit.errors import ImageError, MissingImageError
from hvpkit.messages import Message
from hvpkit.types import Box

MAX_PIXELS = 100_000_000
MILLIONS = MAX_PIXELS // 10**6
FORMATS = ("JPEG", "MPO", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000")  # no EPS: Pillow hands it to a program
SEE_THROUGH = ("RGBA", "RGBa", "LA", "La", "PA")
ORIENTATION = 0x0112
OF_THE_MACHINE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE)
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def open_image(path: Path, *, root: Path | None = None, content: bytes | None = None, ample: int | None = None) -> Image.Image:
    """Decode one image, or the first frame of one, to upright RGB; what is transparent becomes white.

    `content` are the file's bytes where they were read already. With `ample` a larger JPEG is decoded at a half, a quarter or an eighth of
    its size (straight from its frequencies, at a fraction of the cost) as long as neither side gets shorter than that, in pixels.
    Raises ImageError, with the file and the reason, for what is missing, empty, cut short, no image, above `MAX_PIXELS`, or
    (links followed) outside `root`.
    """
    with _opened(path, root, content) as image:
        if ample is not None:
            image.draft(None, (ample, ample))  # does nothing to other formats
        image.load()
        return _rgb(_upright(image))


def read_image_bytes(path: Path) -> bytes:
    """Read an image's file; raises ImageError for what is missing, empty or no file."""
    _check_file(path, None)
    try:
        return path.read_bytes()
    except OSError as error:
        reraise_os_error(error)
        raise ImageError("image-unopenable", file=path, reason=str(error)) from error


def check_image(path: Path, *, root: Path | None = None) -> None:
    """Raise the ImageError that `open_image` would raise, at less cost where the format allows it."""
    with _opened(path, root) as image:
        if image.format in ("JPEG", "MPO"):
            image.draft(image.mode, (1, 1))  # reads every byte, computes an eighth of the rows and columns
            image.load()
        else:
            _rgb(_upright(image))


def image_size(path: Path, *, root: Path | None = None) -> tuple[int, int]:
    """Give width and height of the upright image in pixels; raises ImageError when not even its header can be read."""
    with _opened(path, root) as image:
        if image.format == "TIFF":
            image.load()  # releases of Pillow differ on its size before
        width, height = image.size
        return (height, width) if _orientation(image) >= 5 else (width, height)


def crop(image: Image.Image, box: Box) -> Image.Image:
    """Cut out every pixel that a box touches; raises ImageError when none of the box lies in the image."""
    edges = astuple(box)
    if all(math.isfinite(edge) for edge in edges):
        left, top = max(0, math.floor(box.left)), max(0, math.floor(box.top))
        right, bottom = min(image.width, math.ceil(box.right)), min(image.height, math.ceil(box.bottom))
        if left < right and top < bottom:
            return image.crop((left, top, right, bottom))
    raise ImageError("box-outside", box=edges, width=image.width, height=image.height)


def exif_transpose_rgb(image: Image.Image) -> Image.Image:
    """Turn an image that is open already into what `open_image` makes of its file; raises ImageError when it cannot be decoded."""
    pixels = image.width * image.height
    if not 0 < pixels <= MAX_PIXELS:
        raise ImageError("pil-image-size", width=image.width, height=image.height, limit=MILLIONS)
    try:
        return _rgb(_upright(image))
    except Exception as error:  # a decoder raises anything at all on broken bytes
        reraise_os_error(error)
        raise ImageError("pil-image-damaged", reason=str(error) or type(error).__name__) from error


@contextmanager
def _opened(path: Path, root: Path | None, content: bytes | None = None) -> Iterator[Image.Image]:
    if content is None or root is not None:
        _check_file(path, root)
    Image.init()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="PIL")  # its remarks on odd metadata and on sizes, which are checked here
            source = path if content is None else io.BytesIO(content)
            with Image.open(source, formats=[name for name in FORMATS if name in Image.OPEN]) as image:
                if image.width * image.height > MAX_PIXELS:
                    size = f"{image.width} x {image.height}"
                    raise ImageError("image-too-large", file=path, size=size, limit=MILLIONS)
                yield image
    except UnidentifiedImageError:
        raise ImageError("not-image", file=path, beginning=_beginning(path), formats=FORMATS) from None
    except Image.DecompressionBombError:  # Pillow's own bound is higher
        raise ImageError("image-too-large", file=path, size="a decompression bomb", limit=MILLIONS) from None
    except ImageError:
        raise
    except Exception as error:  # a decoder raises anything at all on broken bytes
        reraise_os_error(error)
        raise ImageError("image-damaged", file=path, reason=str(error) or type(error).__name__) from error


def _check_file(path: Path, root: Path | None) -> None:
    if root is not None and not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root)):
        raise ImageError("image-outside", file=path, folder=root)
    try:
        found = path.stat()
    except FileNotFoundError as error:
        message = Message("image-not-local", file=path) if ":/" in str(path) else Message("image-missing", file=path)
        raise MissingImageError(message) from error
    except (OSError, ValueError) as error:
        reraise_os_error(error)
        raise ImageError("image-unopenable", file=path, reason=str(error)) from error
    if not stat.S_ISREG(found.st_mode):
        raise ImageError("image-not-file", file=path)
    if found.st_size == 0:
        raise ImageError("image-empty", file=path)


def reraise_os_error(error: Exception) -> None:
    """Raise an error that no file is to blame for, but the machine."""
    if isinstance(error, OSError) and error.errno in OF_THE_MACHINE:
        raise error


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(12)


# --------------------------------------------------------------------------------------------------------- upright, 8 bits, RGB
def _orientation(image: Image.Image) -> int:
    if image.format == "TIFF":
        return 1  # turned by Pillow itself when it is loaded
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # broken metadata of an image that decodes: it stands as it is
        return 1


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    turn = TURNS.get(_orientation(image))
    return image if turn is None else image.transpose(turn)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        image = _eight_bits(image)
    if image.mode in SEE_THROUGH or "transparency" in image.info:
        return _on_white(image)
    return image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    layer = image.convert("LA" if image.mode == "La" else "RGBA").convert("RGBA")
    page = Image.new("RGB", layer.size, "white")
    page.paste(layer, mask=layer.getchannel("A"))
    return page


def _eight_bits(image: Image.Image) -> Image.Image:
    """Scale grey values to 0..255: 16 bits by their range; wider integers by their maximum; floats by 1, 255 or their maximum."""
    values = np.asarray(image)
    if image.mode == "F":
        values = np.nan_to_num(values, posinf=0.0, neginf=0.0)
        highest = float(values.max())
        top = next((limit for limit in (1.0, 255.0) if highest <= limit), highest)
        return Image.fromarray(np.clip(values * (255 / top), 0, 255).astype(np.uint8))
    step = max(257, -(-int(values.max()) // 255))
    return Image.fromarray((np.maximum(values, 0) // step).astype(np.uint8))
