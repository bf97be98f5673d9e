from __future__ import annotations

import pytest
from raising import raises
from tiny import draw

from hvpkit.errors import MissingImageError
from hvpkit.images.regions import FULL_BOX, ImageRegion, image_regions
from hvpkit.types import Box, Example, VisualObject


@pytest.fixture
def image(tmp_path):
    return draw(tmp_path / "whole.png", 1, (40, 20))


@pytest.fixture
def crop(tmp_path):
    return draw(tmp_path / "crop.png", 2, (8, 6))


def example_of(image=None, *objects: VisualObject) -> Example:
    return Example("1", ("a",), image=image, objects=objects)


def test_the_whole_image_comes_first_then_objects_in_their_order(image, crop):
    found = image_regions(
        example_of(image, VisualObject(crop), VisualObject(box=Box(10, 5, 30, 20))), whole=True, objects=2
    )
    assert found == (
        ImageRegion(image),
        ImageRegion(crop),
        ImageRegion(image, Box(10, 5, 30, 20), (0.25, 0.25, 0.75, 1.0)),
    )
    assert [region.open().size for region in found] == [(40, 20), (8, 6), (20, 15)]


@pytest.mark.parametrize("wanted", [0, 1, 3])
def test_missing_objects_are_padded(image, crop, wanted):
    example = example_of(image, VisualObject(crop), VisualObject(crop))
    for whole in (True, False):
        found = image_regions(example, whole=whole, objects=wanted)
        assert found == (
            *[ImageRegion(image)] * whole,
            *[ImageRegion(crop)] * min(wanted, 2),
            *[None] * max(wanted - 2, 0),
        )


def test_example_without_an_image_has_no_regions():
    assert image_regions(example_of(), whole=True, objects=2) == (None, None, None)


def test_crops_can_be_there_without_the_whole_image(crop):
    boxed = VisualObject(crop, Box(0, 0, 4, 4))
    assert image_regions(example_of(None, boxed), whole=True, objects=1) == (None, ImageRegion(crop, None, FULL_BOX))


def test_crop_with_a_box_has_its_normalized_box(image, crop):
    (found,) = image_regions(example_of(image, VisualObject(crop, Box(0, 10, 20, 20))), whole=False, objects=1)
    assert found == ImageRegion(crop, None, (0.0, 0.5, 0.5, 1.0))
    assert found.open().size == (8, 6)


def test_box_outside_of_the_image_is_clipped(image):
    (found,) = image_regions(example_of(image, VisualObject(box=Box(-5, 10, 60, 30))), whole=False, objects=1)
    assert found.normalized_box == (0.0, 0.5, 1.0, 1.0)
    assert found.open().size == (40, 10)


def test_object_without_an_image_has_no_region(crop):
    example = example_of(None, VisualObject(box=Box(0, 0, 4, 4)), VisualObject(crop), VisualObject(phrase="a dog"))
    assert image_regions(example, whole=False, objects=3) == (None, ImageRegion(crop), None)


def test_unreadable_image_of_a_box_is_named(tmp_path):
    missing = tmp_path / "gone.png"
    with raises(MissingImageError, "image-missing", file=missing):
        image_regions(example_of(missing, VisualObject(box=Box(0, 0, 4, 4))), whole=True, objects=1)
    assert image_regions(example_of(missing), whole=True, objects=1) == (ImageRegion(missing), None)
