"""Images that a program holds in memory: bytes, file objects, opened images and arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hvpkit.errors import ImageError
from hvpkit.images.decode import encode_image
from hvpkit.types import ImageBytes, ImageSource

MAX_FILE_BYTES = 2**28  # of a file object


def image_from_memory(value: object) -> ImageSource | None:
    """Convert an image in memory to the content of an image file; None for any other value, such as a path.

    Args:
        value: `bytes` of an image file, a binary file object, an opened PIL image, or an array of uint8: [H, W],
            [H, W, 1 | 3 | 4] or [3, H, W], of NumPy or torch.

    Raises:
        ImageError: "pil-image-size" or "pil-image-damaged" for an opened image, "file-object-invalid" or
            "array-invalid".
    """
    if isinstance(value, ImageBytes):
        return value
    if isinstance(value, bytes):
        return ImageBytes(value)
    if isinstance(value, Image.Image):
        return encode_image(value)
    if hasattr(value, "read"):
        return _read(value)
    if hasattr(value, "__array__"):
        return encode_image(_to_image(np.asarray(value)))
    return None


def _read(file: Any) -> ImageBytes:  # noqa: ANN401 - anything with a method read
    content = file.read(MAX_FILE_BYTES + 1)
    if not isinstance(content, bytes):
        raise ImageError("file-object-invalid", found=f"{type(content).__name__} instead of bytes")
    if len(content) > MAX_FILE_BYTES:
        raise ImageError("file-object-invalid", found=f"more than {MAX_FILE_BYTES} bytes")
    name = getattr(file, "name", None)
    return ImageBytes(content, Path(name).name) if isinstance(name, str) else ImageBytes(content)


def _to_image(array: np.ndarray[Any, Any]) -> Image.Image:
    shape = array.shape
    if array.ndim == 3 and shape[0] == 3 and shape[2] not in (1, 3, 4):
        array = array.transpose(1, 2, 0)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    has_channels = array.ndim == 3 and array.shape[2] in (3, 4)
    if array.dtype != np.uint8 or not array.size or not (array.ndim == 2 or has_channels):
        raise ImageError("array-invalid", shape=list(shape), dtype=str(array.dtype))
    return Image.fromarray(np.ascontiguousarray(array))
