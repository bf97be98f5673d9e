"""Every kind of bad or odd image goes through object finding: an error in its place, or an answer.

And the others unharmed.
"""

from __future__ import annotations

import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageDraw

from hvpkit.config.recipe import ObjectsSpec
from hvpkit.detection.pipeline import DetectionPipeline
from hvpkit.errors import ImageError
from hvpkit.registry import load_registry
from hvpkit.types import Example


def disc(mode="RGB", size=(120, 90)):
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).ellipse((20, 20, 70, 70), fill="navy")
    return image.convert(mode)


def bomb(file):
    header = b"IHDR" + struct.pack(">IIBBBBB", 50_000, 50_000, 1, 0, 0, 0, 0)
    chunks = (header, b"IDAT" + zlib.compress(b""), b"IEND")
    file.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks)
    )


def cut(file):
    disc().save(file)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


BAD = {
    "missing.jpg": lambda file: None,
    "empty.jpg": lambda file: file.touch(),
    "page.jpg": lambda file: file.write_text("<!DOCTYPE html>404"),
    "cut.jpg": cut,
    "cut.png": cut,
    "cut.webp": cut,
    "bomb.png": bomb,
    "folder.jpg": lambda file: file.mkdir(),
    "pipe.jpg": os.mkfifo,
}
CODES = {
    "missing.jpg": "image-missing",
    "empty.jpg": "image-empty",
    "page.jpg": "not-image",
    "cut.jpg": "image-damaged",
    "cut.png": "image-damaged",
    "cut.webp": "image-damaged",
    "bomb.png": "image-too-large",
    "folder.jpg": "image-not-file",
    "pipe.jpg": "image-not-file",
}


def turned(file):
    exif = Image.Exif()
    exif[0x0112] = 6
    disc().transpose(Image.Transpose.ROTATE_90).save(file, exif=exif, quality=95)


ODD = {
    "cmyk.jpg": lambda file: disc("CMYK").save(file, quality=95),
    "grey.png": lambda file: disc("L").save(file),
    "palette.gif": lambda file: disc("P").save(file),
    "clear.png": lambda file: disc("RGBA").save(file),
    "deep.png": lambda file: Image.fromarray(np.asarray(disc("L"), np.uint16) * 257).save(file),
    "turned.jpg": turned,
}


def find(folder, names):
    settings = ObjectsSpec.model_validate({"detector": "saliency", "threshold": 0.2})
    finder = DetectionPipeline.open(settings, load_registry(), batch_size=4)
    return list(finder.detect([(Example(name, ("a",), image=folder / name), None) for name in names]))


def test_each_bad_image_gives_its_error_and_leaves_the_others_alone(tmp_path):
    disc().save(tmp_path / "sound.png")
    names = []
    for name, make in BAD.items():
        make(tmp_path / name)
        names += [name, "sound.png"]
    found = find(tmp_path, names)
    for name, answer in zip(names[::2], found[::2], strict=True):
        assert isinstance(answer, ImageError), name
        assert (answer.code, answer.fields["file"]) == (CODES[name], tmp_path / name)
    assert len(set(found[1::2])) == 1
    assert found[1][0].box


@pytest.mark.parametrize("name", ODD)
def test_object_of_each_unusual_image_has_an_upright_box(tmp_path, name):
    ODD[name](tmp_path / name)
    [[item]] = find(tmp_path, [name])
    edges = (item.box.left, item.box.top, item.box.right, item.box.bottom)
    assert edges == pytest.approx((20, 20, 71, 71), abs=4)


def test_images_of_one_and_of_many_pixels_are_searched(tmp_path):
    Image.new("RGB", (1, 1), "red").save(tmp_path / "one.png")
    disc().resize((4800, 3600)).save(tmp_path / "large.jpg")
    one, large = find(tmp_path, ["one.png", "large.jpg"])
    assert one == ()
    assert large[0].box.right == pytest.approx(71 * 40, abs=160)
