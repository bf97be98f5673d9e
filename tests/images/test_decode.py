"""Images decode upright to RGB, and every bad file is named with its reason."""

from __future__ import annotations

import errno
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from raising import raises

from hvpkit.errors import ImageError, MissingImageError
from hvpkit.images.decode import check_image, crop, image_size, open_image, read_image_bytes
from hvpkit.types import Box

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


def noise(size=(32, 24), mode="RGB", seed=0):
    channels = {"L": (), "RGB": (3,), "RGBA": (4,), "CMYK": (4,)}[mode]
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], *channels), dtype=np.uint8)
    return Image.fromarray(values, mode=None) if mode != "CMYK" else Image.frombytes("CMYK", size, values.tobytes())


def png_header_alone(file, width, height):
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"")
    chunks = b"".join(
        struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (header, data, b"IEND")
    )
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


def refused(path, code, root=None, error=ImageError, **fields):
    for read in (open_image, check_image):
        with raises(error, code, file=path, **fields):
            read(path, root=root)


# ---------------------------------------------------------------------------------------------------------------- bad
# files
def test_a_missing_file_is_named(tmp_path):
    refused(tmp_path / "a.jpg", "image-missing", error=MissingImageError)
    refused(Path("https://example.org/a.jpg"), "image-not-local", error=MissingImageError)


def test_a_name_that_no_file_can_have_is_refused(tmp_path):
    refused(tmp_path / "a\0.jpg", "image-unopenable")


def test_an_empty_file_is_named(tmp_path):
    (tmp_path / "a.jpg").touch()
    refused(tmp_path / "a.jpg", "image-empty")


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp", "tiff"])
def test_a_file_cut_short_is_named(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    noise((64, 64)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused(path, "image-damaged")


def test_a_progressive_jpeg_cut_short_is_named(tmp_path):
    path = tmp_path / "a.jpg"
    noise((64, 64)).save(path, progressive=True)
    path.write_bytes(path.read_bytes()[:-200])
    refused(path, "image-damaged")


def test_web_page_with_an_image_name_is_not_an_image(tmp_path):
    (tmp_path / "a.jpg").write_text("<!DOCTYPE html><p>404")
    refused(tmp_path / "a.jpg", "not-image", beginning=b"<!DOCTYPE ht")


def test_postscript_is_never_handed_to_a_program(tmp_path):
    (tmp_path / "a.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    refused(tmp_path / "a.eps", "not-image")


def test_a_folder_and_a_pipe_are_not_files(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    refused(tmp_path, "image-not-file")
    refused(tmp_path / "pipe.jpg", "image-not-file")


@pytest.mark.parametrize("side", [10_001, 50_000])
def test_a_bomb_is_refused_by_its_header(tmp_path, side):
    png_header_alone(tmp_path / "a.png", side, side)
    assert (tmp_path / "a.png").stat().st_size < 200
    refused(tmp_path / "a.png", "image-too-large", limit=100)
    with raises(ImageError, "image-too-large", file=tmp_path / "a.png"):
        image_size(tmp_path / "a.png")


def test_a_large_image_within_the_limit_raises_no_warning(tmp_path):
    path = tmp_path / "a.bmp"
    path.write_bytes(
        b"BM" + struct.pack("<IHHIIiiHHIIIIII", 62, 0, 0, 62, 40, 9_500, 10_000, 1, 1, 0, 0, 0, 0, 2, 0) + bytes(8)
    )
    assert image_size(path) == (9_500, 10_000)


def test_a_path_outside_the_folder_is_refused_even_through_a_link(tmp_path):
    inside = tmp_path / "in"
    inside.mkdir()
    noise().save(tmp_path / "out.png")
    (inside / "link.png").symlink_to(tmp_path / "out.png")
    refused(inside / "link.png", "image-outside", root=inside, folder=inside)
    refused(inside / ".." / "out.png", "image-outside", root=inside, folder=inside)
    noise().save(inside / "fine.png")
    assert open_image(inside / "fine.png", root=inside).size == (32, 24)


# -------------------------------------------------------------------------------------------------------------- upright
# RGB
def test_one_pixel_decodes(tmp_path):
    Image.new("RGB", (1, 1), RED).save(tmp_path / "a.png")
    assert open_image(tmp_path / "a.png").getpixel((0, 0)) == RED


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_turned_upright(tmp_path, orientation):
    upright = Image.new("RGB", (32, 16), WHITE)
    upright.paste(RED, (0, 0, 16, 8))
    stored_as = {
        2: "FLIP_LEFT_RIGHT",
        3: "ROTATE_180",
        4: "FLIP_TOP_BOTTOM",
        5: "TRANSPOSE",
        6: "ROTATE_90",
        7: "TRANSVERSE",
        8: "ROTATE_270",
    }
    stored = upright if orientation == 1 else upright.transpose(Image.Transpose[stored_as[orientation]])
    exif = Image.Exif()
    exif[0x0112] = orientation
    for suffix in ("png", "tiff", "webp", "jpg"):
        path = tmp_path / f"a.{suffix}"
        stored.save(
            path, exif=exif, **({"lossless": True} if suffix == "webp" else {"quality": 95} if suffix == "jpg" else {})
        )
        image = open_image(path)
        assert image.size == image_size(path) == (32, 16), suffix
        assert np.abs(np.asarray(image, int) - np.asarray(upright, int)).max() < 90, suffix


def test_broken_exif_leaves_the_image_unchanged(tmp_path):
    noise().save(tmp_path / "a.png", exif=b"Exif\0\0MM\0*\0\0\xff\xff")
    assert open_image(tmp_path / "a.png").size == image_size(tmp_path / "a.png") == (32, 24)


def test_cmyk_and_greys_become_rgb(tmp_path):
    Image.new("CMYK", (4, 4), (0, 255, 255, 0)).save(tmp_path / "c.jpg", quality=100)
    Image.new("L", (4, 4), 77).save(tmp_path / "l.png")
    Image.new("1", (4, 4), 1).save(tmp_path / "b.png")
    assert np.abs(np.subtract(open_image(tmp_path / "c.jpg").getpixel((0, 0)), RED)).max() < 8
    assert open_image(tmp_path / "l.png").getpixel((0, 0)) == (77, 77, 77)
    assert open_image(tmp_path / "b.png").getpixel((0, 0)) == WHITE


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "RGB"])
def test_what_is_transparent_becomes_white(tmp_path, mode):
    path = tmp_path / "a.png"
    if mode in ("RGBA", "LA"):
        Image.new(mode, (4, 4), (0,) * (len(mode) - 1) + (0,)).save(path)
    else:
        Image.new(mode, (4, 4), 0).save(path, transparency=(0, 0, 0) if mode == "RGB" else 0)
    image = open_image(path)
    assert (image.mode, image.getpixel((0, 0))) == ("RGB", WHITE)


def test_half_transparent_red_lets_white_through(tmp_path):
    Image.new("RGBA", (4, 4), (255, 0, 0, 128)).save(tmp_path / "a.png")
    assert open_image(tmp_path / "a.png").getpixel((0, 0)) == (255, 127, 127)


def test_opaque_palette_keeps_its_colors(tmp_path):
    Image.new("RGB", (4, 4), BLUE).quantize(4).save(tmp_path / "a.gif")
    assert open_image(tmp_path / "a.gif").getpixel((0, 0)) == BLUE


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sixteen_bits_are_scaled_not_clipped(tmp_path, suffix):
    values = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    Image.fromarray(values).save(tmp_path / f"a.{suffix}")
    image = open_image(tmp_path / f"a.{suffix}")
    assert np.array_equal(np.asarray(image)[..., 1].ravel(), np.arange(256))


@pytest.mark.parametrize("top", [1.0, 255.0, 4000.0])
def test_floats_are_scaled_by_their_range(tmp_path, top):
    Image.fromarray(np.array([[0.0, top / 2, top, np.nan]], np.float32)).save(tmp_path / "a.tiff")
    assert [pixel[0] for pixel in np.asarray(open_image(tmp_path / "a.tiff"))[0]] == [0, 127, 255, 0]


def test_wide_integers_are_scaled_by_their_maximum(tmp_path):
    Image.fromarray(np.array([[-5, 0, 2_000_000, 4_000_000]], np.int32)).save(tmp_path / "a.tiff")
    assert [pixel[0] for pixel in np.asarray(open_image(tmp_path / "a.tiff"))[0]] == [0, 0, 127, 254]


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_an_animation_gives_its_first_frame(tmp_path, suffix):
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, BLUE)]
    frames[0].save(
        tmp_path / f"a.{suffix}",
        save_all=True,
        append_images=frames[1:],
        **({"lossless": True} if suffix == "webp" else {}),
    )
    assert open_image(tmp_path / f"a.{suffix}").getpixel((4, 4)) == RED


def test_file_is_closed_and_the_image_stays_usable(tmp_path):
    noise().save(tmp_path / "a.png")
    image = open_image(tmp_path / "a.png")
    (tmp_path / "a.png").unlink()
    assert np.array_equal(np.asarray(image), np.asarray(noise()))


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "webp", "bmp", "tiff", "ppm"])
def test_a_sound_image_passes_the_check(tmp_path, suffix):
    noise().save(tmp_path / f"a.{suffix}")
    check_image(tmp_path / f"a.{suffix}")


# ---------------------------------------------------------------------------------------------------------------------
# crops
def test_a_crop_is_clipped_to_the_image_and_keeps_every_touched_pixel():
    image = noise()
    part = crop(image, Box(-5, 2.6, 10.2, 99))
    assert np.array_equal(np.asarray(part), np.asarray(image)[2:24, 0:11])


@pytest.mark.parametrize(
    "box", [Box(32, 0, 40, 9), Box(5, 5, 5, 9), Box(9, 9, 3, 12), Box(0, -9, 9, -1), Box(float("nan"), 0, 9, 9)]
)
def test_a_crop_of_nothing_is_refused(box):
    edges = (box.left, box.top, box.right, box.bottom)
    with raises(ImageError, "box-outside", box=edges, width=32, height=24):
        crop(noise(), box)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.EIO])
@pytest.mark.parametrize(
    ("read", "fails"),
    [
        (open_image, "PIL.Image.open"),
        (check_image, "PIL.Image.open"),
        (read_image_bytes, "pathlib.Path.read_bytes"),
        (open_image, "pathlib.Path.stat"),
    ],
)
def test_operating_system_errors_are_not_image_errors(tmp_path, monkeypatch, number, read, fails):
    noise().save(tmp_path / "a.png")

    def fail(*given, **options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fails, fail)
    fault = OSError(number, os.strerror(number))
    if number == errno.EIO:
        code = "image-damaged" if fails == "PIL.Image.open" else "image-unopenable"
        with raises(ImageError, code, file=tmp_path / "a.png", reason=str(fault)):
            read(tmp_path / "a.png")
    else:
        with pytest.raises(OSError, match=os.strerror(number)) as caught:
            read(tmp_path / "a.png")
        assert caught.value.errno == number
