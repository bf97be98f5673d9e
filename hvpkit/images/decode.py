"""Decode untrusted images safely: return upright RGB or raise ImageError, and limit the number of pixels.

Operating-system errors, such as too many open files, are re-raised and not reported as bad images.
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
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from hvpkit.errors import ImageError, MissingImageError
from hvpkit.messages import Message
from hvpkit.types import Box, ImageBytes, ImageSource

MAX_PIXELS = 100_000_000
MAX_MEGAPIXELS = MAX_PIXELS // 10**6
# EPS is left out because Pillow runs an external program on it.
SUPPORTED_FORMATS = ("JPEG", "MPO", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000")
MODES_WITH_ALPHA = ("RGBA", "RGBa", "LA", "La", "PA")
EXIF_ORIENTATION = 0x0112
SYSTEM_ERRNOS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE)
TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@cache
def image_suffixes() -> frozenset[str]:
    """Return the endings of image files that can be decoded, in lower case with the dot."""
    return frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in SUPPORTED_FORMATS)


def open_image(
    source: ImageSource, *, root: Path | None = None, content: bytes | None = None, min_decode_size: int | None = None
) -> Image.Image:
    """Decode an image, or its first frame, to upright RGB on a white background.

    Args:
        source: Image.
        root: Folder that must contain a file after links are resolved, None for no check.
        content: Bytes of the file, if they were read before.
        min_decode_size: Side length in pixels. Larger JPEGs are decoded at 1/2, 1/4 or 1/8 of their size, which is
            faster, as long as no side becomes shorter than this.

    Raises:
        MissingImageError: "image-missing" or "image-not-local".
        ImageError: "image-outside", "image-unopenable", "image-not-file", "image-empty", "not-image",
            "image-too-large" (more than `MAX_PIXELS`) or "image-damaged".
    """
    with _open_checked(source, root, content) as image:
        if min_decode_size is not None:
            image.draft(None, (min_decode_size, min_decode_size))  # has no effect on other formats
        image.load()
        return _to_rgb(_exif_transpose(image))


def read_image_bytes(source: ImageSource) -> bytes:
    """Read the bytes of an image.

    Raises:
        MissingImageError: "image-missing" or "image-not-local".
        ImageError: "image-not-file", "image-empty" or "image-unopenable".
    """
    if isinstance(source, ImageBytes):
        return source.content
    _check_file(source, None)
    try:
        return source.read_bytes()
    except OSError as error:
        reraise_os_error(error)
        raise ImageError("image-unopenable", file=source, reason=str(error)) from error


def encode_image(image: Image.Image) -> ImageBytes:
    """Convert an open PIL image to upright RGB, as `open_image` does, and keep its pixels in memory (PPM).

    Raises:
        ImageError: "pil-image-size" or "pil-image-damaged".
    """
    stream = io.BytesIO()
    exif_transpose_rgb(image).save(stream, "PPM")
    return ImageBytes(stream.getvalue())


def check_image(source: ImageSource, *, root: Path | None = None) -> None:
    """Check that `open_image` can decode an image, where possible without decoding it in full.

    Raises:
        ImageError: The error that `open_image` would raise.
    """
    with _open_checked(source, root) as image:
        if image.format in ("JPEG", "MPO"):
            image.draft(image.mode, (1, 1))  # reads every byte, but decodes at 1/8 of the size
            image.load()
        else:
            _to_rgb(_exif_transpose(image))


def image_size(source: ImageSource, *, root: Path | None = None) -> tuple[int, int]:
    """Return width and height of the upright image in pixels, without decoding it where possible.

    Raises:
        ImageError: Codes of `open_image`, if the header cannot be read.
    """
    with _open_checked(source, root) as image:
        if image.format == "TIFF":
            image.load()  # before loading, the size depends on the Pillow version
        width, height = image.size
        return (height, width) if _orientation(image) >= 5 else (width, height)


def crop(image: Image.Image, box: Box) -> Image.Image:
    """Crop all pixels that a box touches.

    Raises:
        ImageError: "box-outside" if the box does not intersect the image.
    """
    edges = astuple(box)
    if all(math.isfinite(edge) for edge in edges):
        left, top = max(0, math.floor(box.left)), max(0, math.floor(box.top))
        right, bottom = min(image.width, math.ceil(box.right)), min(image.height, math.ceil(box.bottom))
        if left < right and top < bottom:
            return image.crop((left, top, right, bottom))
    raise ImageError("box-outside", box=edges, width=image.width, height=image.height)


def exif_transpose_rgb(image: Image.Image) -> Image.Image:
    """Convert an open PIL image to upright RGB, as `open_image` does for a file.

    Raises:
        ImageError: "pil-image-size" or "pil-image-damaged".
    """
    pixels = image.width * image.height
    if not 0 < pixels <= MAX_PIXELS:
        raise ImageError("pil-image-size", width=image.width, height=image.height, limit=MAX_MEGAPIXELS)
    try:
        return _to_rgb(_exif_transpose(image))
    except Exception as error:  # decoders raise exceptions of any type on broken bytes
        reraise_os_error(error)
        raise ImageError("pil-image-damaged", reason=str(error) or type(error).__name__) from error


@contextmanager
def _open_checked(source: ImageSource, root: Path | None, content: bytes | None = None) -> Iterator[Image.Image]:
    file: str | Path
    if isinstance(source, ImageBytes):
        file, content = source.name, source.content
        if not content:
            raise ImageError("image-empty", file=file)
    else:
        file = source
        if content is None or root is not None:
            _check_file(source, root)
    Image.init()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="PIL")  # on metadata and size; the size is checked below
            stream = file if content is None else io.BytesIO(content)
            with Image.open(stream, formats=[name for name in SUPPORTED_FORMATS if name in Image.OPEN]) as image:
                if image.width * image.height > MAX_PIXELS:
                    size = f"{image.width} x {image.height}"
                    raise ImageError("image-too-large", file=file, size=size, limit=MAX_MEGAPIXELS)
                yield image
    except UnidentifiedImageError:
        beginning = _read_first_bytes(source, content)
        raise ImageError("not-image", file=file, beginning=beginning, formats=SUPPORTED_FORMATS) from None
    except Image.DecompressionBombError:  # Pillow raises it before the check above, from twice its own limit on
        raise ImageError("image-too-large", file=file, size="a decompression bomb", limit=MAX_MEGAPIXELS) from None
    except ImageError:
        raise
    except Exception as error:  # decoders raise exceptions of any type on broken bytes
        reraise_os_error(error)
        raise ImageError("image-damaged", file=file, reason=str(error) or type(error).__name__) from error


def _check_file(path: Path, root: Path | None) -> None:
    if root is not None and not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root)):
        raise ImageError("image-outside", file=path, folder=root)
    try:
        status = path.stat()
    except FileNotFoundError as error:
        message = Message("image-not-local", file=path) if ":/" in str(path) else Message("image-missing", file=path)
        raise MissingImageError(message) from error
    except (OSError, ValueError) as error:
        reraise_os_error(error)
        raise ImageError("image-unopenable", file=path, reason=str(error)) from error
    if not stat.S_ISREG(status.st_mode):
        raise ImageError("image-not-file", file=path)
    if status.st_size == 0:
        raise ImageError("image-empty", file=path)


def reraise_os_error(error: Exception) -> None:
    """Raise `error` again if it is an operating-system error that says nothing about the file, such as ENOMEM."""
    if isinstance(error, OSError) and error.errno in SYSTEM_ERRNOS:
        raise error


def _read_first_bytes(source: ImageSource, content: bytes | None) -> bytes:
    if isinstance(source, ImageBytes) or content is not None:
        return (content or b"")[:12]
    with source.open("rb") as file:
        return file.read(12)


def _orientation(image: Image.Image) -> int:
    if image.format == "TIFF":
        return 1  # Pillow rotates TIFF itself in load()
    try:
        return int(image.getexif().get(EXIF_ORIENTATION, 1))
    except Exception:  # broken metadata, although the image may decode
        return 1


def _exif_transpose(image: Image.Image) -> Image.Image:
    image.load()
    transposition = TRANSPOSITIONS.get(_orientation(image))
    return image if transposition is None else image.transpose(transposition)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        image = _to_8_bits(image)
    if image.mode in MODES_WITH_ALPHA or "transparency" in image.info:
        return _flatten_on_white(image)
    return image.convert("RGB")


def _flatten_on_white(image: Image.Image) -> Image.Image:
    rgba = image.convert("LA" if image.mode == "La" else "RGBA").convert("RGBA")
    background = Image.new("RGB", rgba.size, "white")
    background.paste(rgba, mask=rgba.getchannel("A"))
    return background


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Convert gray values to 8 bits.

    Integers are divided by 257, which maps 16 bits to 0..255, or by more if the maximum is larger. Floats are scaled
    from 0..1 or 0..255, whichever contains the maximum, else from 0..maximum.
    """
    values = np.asarray(image)
    if image.mode == "F":
        values = np.nan_to_num(values, posinf=0.0, neginf=0.0)
        maximum = float(values.max())
        white = next((limit for limit in (1.0, 255.0) if maximum <= limit), maximum)
        return Image.fromarray(np.clip(values * (255 / white), 0, 255).astype(np.uint8))
    divisor = max(257, -(-int(values.max()) // 255))
    return Image.fromarray((np.maximum(values, 0) // divisor).astype(np.uint8))
