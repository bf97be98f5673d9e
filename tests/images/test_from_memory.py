"""Images of a program: bytes, file objects, opened images and arrays."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from raising import raises

from hvpkit.errors import ImageError
from hvpkit.images import from_memory
from hvpkit.images.decode import open_image
from hvpkit.images.from_memory import image_from_memory
from hvpkit.types import ImageBytes

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)


def png() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(PIXELS).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    "value",
    [
        png(),
        ImageBytes(png()),
        io.BytesIO(png()),
        Image.fromarray(PIXELS),
        PIXELS,
        np.dstack([PIXELS, np.full((6, 5), 255, np.uint8)]),
        PIXELS.transpose(2, 0, 1),
        torch.from_numpy(PIXELS).permute(2, 0, 1),
    ],
    ids=["bytes", "content", "file", "image", "array", "with alpha", "channels first", "tensor"],
)
def test_every_form_gives_the_same_pixels(value):
    assert (np.asarray(open_image(image_from_memory(value))) == PIXELS).all()


@pytest.mark.parametrize("gray", [PIXELS[:, :, 0], PIXELS[:, :, :1]])
def test_gray_arrays_become_rgb(gray):
    assert (np.asarray(open_image(image_from_memory(gray))) == PIXELS[:, :, :1]).all()


def test_an_open_file_keeps_its_name(tmp_path):
    (tmp_path / "a.png").write_bytes(png())
    with (tmp_path / "a.png").open("rb") as file:
        assert image_from_memory(file) == ImageBytes(png(), "a.png")


@pytest.mark.parametrize("value", [None, 7, "a.png"])
def test_other_values_are_no_image_in_memory(value):
    assert image_from_memory(value) is None


@pytest.mark.parametrize("array", [PIXELS.astype(np.float32), PIXELS[:0], PIXELS[None], np.zeros((4, 4, 7), np.uint8)])
def test_other_arrays_are_refused_by_shape_and_type(array):
    with raises(ImageError, "array-invalid", shape=list(array.shape), dtype=str(array.dtype)):
        image_from_memory(array)


def test_a_text_file_or_an_endless_one_is_refused(monkeypatch):
    with raises(ImageError, "file-object-invalid"):
        image_from_memory(io.StringIO("text"))
    monkeypatch.setattr(from_memory, "MAX_FILE_BYTES", 10)
    with raises(ImageError, "file-object-invalid"):
        image_from_memory(io.BytesIO(b"x" * 11))
