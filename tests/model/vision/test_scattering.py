from random import Random

import pytest
import torch
from PIL import Image, ImageDraw
from raising import raises

from hvpkit.errors import ComponentError
from hvpkit.interfaces import VisionContext
from hvpkit.model.vision.scattering import Scattering, dead_leaves


@pytest.fixture(scope="module")
def backbone():
    return Scattering(VisionContext(64), 8).eval().requires_grad_(False)


def stripes(horizontal: bool, step: int) -> Image.Image:
    image = Image.new("RGB", (64, 64), "white")
    draw = ImageDraw.Draw(image)
    for i in range(0, 64, 2 * step):
        draw.rectangle((0, i, 64, i + step - 1) if horizontal else (i, 0, i + step - 1, 64), "black")
    return image


def maps_of(backbone, image):
    return [level[0] for level in backbone(backbone.transform(image)[None])]


def test_the_strongest_wavelet_is_that_across_the_stripes(backbone):
    grey = maps_of(backbone, stripes(horizontal=False, step=1))[0][:8].mean(dim=(1, 2))
    assert grey.argmax() == 0  # waves along x
    grey = maps_of(backbone, stripes(horizontal=True, step=1))[0][:8].mean(dim=(1, 2))
    assert grey.argmax() == 4  # a quarter turn


def test_wide_stripes_are_louder_on_coarse_levels_than_fine_ones_are(backbone):
    fine, wide = (maps_of(backbone, stripes(horizontal=True, step=step)) for step in (1, 8))
    assert fine[0][4].mean() > wide[0][4].mean()
    assert wide[2][4].mean() > fine[2][4].mean()


def test_colors_are_in_the_finest_level_only(backbone):
    red, blue = (maps_of(backbone, Image.new("RGB", (64, 64), name)) for name in ("red", "blue"))
    assert not torch.allclose(red[0], blue[0])
    assert all(torch.allclose(one, other, atol=1e-3) for one, other in zip(red[1:], blue[1:], strict=True))


def test_images_of_its_calibration_have_mean_zero_and_deviation_one(backbone):
    chance = Random(0)
    pixels = torch.stack([backbone.transform(dead_leaves(64, chance)) for _ in range(48)])
    for level in backbone(pixels):
        deviation, mean = torch.std_mean(level, dim=(0, 2, 3))
        assert mean.abs().max() < 1e-3
        assert (deviation - 1).abs().max() < 1e-2


def test_two_built_apart_are_the_same(backbone):
    again = Scattering(VisionContext(64), 8).state_dict()
    assert all(torch.equal(tensor, again[name]) for name, tensor in backbone.state_dict().items())


def test_a_side_that_does_not_halve_is_refused():
    with raises(ComponentError, "image-size-not-multiple", backbone="scattering", size=72, multiple=32):
        Scattering(VisionContext(72), 8)
