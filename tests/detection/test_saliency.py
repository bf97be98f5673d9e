"""What differs from the border is found, on plain and on textured ground, and nothing where nothing does."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw
from sklearn.datasets import load_sample_images

from hvpkit.detection.saliency import border_contrast, otsu, salient

GROUNDS = ("plain", "gradient", "noise", "stripes", "checks")
SHAPES = ("ellipse", "rectangle", "triangle")


def ground(kind, width, height, rng):
    first = rng.integers(0, 256, 3)
    second = np.clip(first + rng.integers(-50, 51, 3), 0, 255)
    rows, columns = np.mgrid[:height, :width]
    step = int(rng.integers(6, 30))
    share = {
        "plain": np.zeros((height, width)),
        "gradient": columns / width,
        "noise": rng.random((height, width)),
        "stripes": (rows + columns) // step % 2,
        "checks": (rows // step + columns // step) % 2,
    }[kind]
    return np.uint8(first + (second - first) * share[..., None]), (first, second)


def drawn(seed):
    """Draw one object at a random place; gives the image and the object's box."""
    rng = np.random.default_rng(seed)
    width, height = (int(side) for side in rng.integers(100, 400, 2))
    pixels, grounds = ground(GROUNDS[seed % len(GROUNDS)], width, height, rng)
    colour = rng.integers(0, 256, 3)
    while min(np.abs(colour - other).sum() for other in grounds) < 150:
        colour = rng.integers(0, 256, 3)
    across, down = int(width * rng.uniform(0.2, 0.6)), int(height * rng.uniform(0.2, 0.6))
    left, top = int(rng.integers(0, width - across)), int(rng.integers(0, height - down))
    image = Image.fromarray(pixels)
    pen, corners, fill = ImageDraw.Draw(image), (left, top, left + across - 1, top + down - 1), tuple(map(int, colour))
    shape = SHAPES[seed // len(GROUNDS) % len(SHAPES)]
    if shape == "ellipse":
        pen.ellipse(corners, fill=fill)
    elif shape == "rectangle":
        pen.rectangle(corners, fill=fill)
    else:
        pen.polygon([(left, corners[3]), (corners[2], corners[3]), (left + across // 2, top)], fill=fill)
    return image, (left, top, left + across, top + down)


def overlap(box, other):
    edges = (box.left, box.top, box.right, box.bottom)
    width, height = (min(edges[i + 2], other[i + 2]) - max(edges[i], other[i]) for i in (0, 1))
    shared = max(width, 0) * max(height, 0)
    areas = [(right - left) * (bottom - top) for left, top, right, bottom in (edges, other)]
    return shared / (sum(areas) - shared)


def test_single_objects_on_plain_and_textured_background_are_detected():
    hits = []
    for seed in range(45):
        image, box = drawn(seed)
        found = [item for item in salient(image, image.size) if item.score >= 0.2][:3]
        hits.append(any(overlap(item.box, box) > 0.5 for item in found))
    assert np.mean(hits) >= 0.9


def test_a_plain_image_has_no_object():
    assert salient(Image.new("RGB", (90, 60), "teal"), (90, 60)) == []


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 2), (8, 6)])
def test_images_of_a_few_pixels_are_searched(size):
    assert salient(Image.new("RGB", size, "red"), size) == []


def test_boxes_are_in_pixels_of_the_whole_image():
    image, _ = drawn(3)
    small, large = salient(image, image.size)[0].box, salient(image, (image.width * 3, image.height * 3))[0].box
    assert (large.left, large.bottom) == pytest.approx((small.left * 3, small.bottom * 3))


def test_flower_of_a_photograph_is_detected():
    flower = Image.fromarray(load_sample_images().images[1])
    [best, *_] = salient(flower, flower.size)
    assert overlap(best.box, (170, 90, 450, 427)) > 0.7


def test_the_contrast_is_the_distance_in_lab_from_the_border():
    pixels = np.zeros((60, 60, 3), np.uint8)
    pixels[20:40, 20:40] = 255
    contrast = border_contrast(Image.fromarray(pixels))
    assert contrast[:5].max() < 1
    assert contrast[30, 30] == pytest.approx(100, abs=1)  # black to white is 100 units of lightness


def test_otsu_parts_two_heaps():
    assert 0.2 < otsu(np.array([0.0, 0.1, 0.2, 9.0, 9.1])) < 9
