"""What the release does otherwise with images."""

from __future__ import annotations

import torch
from PIL import Image
from raising import raises
from torch import Tensor, nn

from hvpkit.errors import ComponentError
from hvpkit.interfaces import ImageBatch, LevelInfo, VisualBackbone
from hvpkit.model.vision.tower import TowerOptions, VisualTower
from hvpkit.model.vision.transforms import center_crop


class Norms(VisualBackbone):
    """The image itself, through one batch norm."""

    levels = (LevelInfo(3, 1),)

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        nn.init.ones_(self.norm.bias)

    def transform(self, image: Image.Image) -> Tensor:
        return torch.ones(3, 7, 7)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        return [self.norm(pixels)]


def tower(**options) -> VisualTower:
    return VisualTower(Norms(), grid=2, frozen=True, options=TowerOptions(**options))


def images(mask: list[list[bool]]) -> ImageBatch:
    seen = torch.tensor(mask)
    return ImageBatch(seen, torch.zeros(*seen.shape, 4), pixels=torch.randn(int(seen.sum()), 3, 7, 7))


def test_floor_leaves_the_edge_of_an_odd_map_out():
    pixels = torch.zeros(1, 3, 7, 7)
    pixels[..., 6] = pixels[..., 6, :] = 9.0
    pixels[0, 0, 0, 0] = 9.0
    plain, floor = tower().eval().pyramid(pixels)[0], tower(pooling="floor").eval().pyramid(pixels)[0]
    inside = nn.BatchNorm2d(3).eval()(pixels)[..., :6, :6].view(3, 2, 3, 2, 3).mean((2, 4)).flatten(1) + 1
    torch.testing.assert_close(floor[0], inside)
    assert not torch.allclose(plain, floor)
    with raises(ComponentError, "grid-too-fine", grid=2, height=1, width=1):
        tower(pooling="floor").eval().pyramid(torch.zeros(1, 3, 1, 1))


def test_missing_images_are_zeros_that_pass_through_the_network():
    given = images([[True, False], [False, False], [True, True]])
    masked, shown = tower().eval()(given), tower(missing="zeros").eval()(given)
    assert masked.mask.tolist() == [[True, False], [False, False], [True, True]]
    assert shown.mask.tolist() == [
        [True, True],
        [False, False],
        [True, True],
    ]  # an example without images is text alone
    torch.testing.assert_close(shown.levels[0][0, 1], torch.ones(3, 4))  # zeros, and the norm's bias
    torch.testing.assert_close(shown.levels[0][given.mask], masked.levels[0][given.mask])
    assert not shown.levels[0][1].any()


def test_zeros_are_the_same_beside_kept_pyramids():
    own = tower(missing="zeros").eval()
    given = images([[False, True], [True, True]])
    kept = ImageBatch(given.mask, given.boxes, features=own.pyramid(given.pixels))
    torch.testing.assert_close(own(kept).levels[0], own(given).levels[0])
    assert torch.equal(own(kept).mask, own(given).mask)


def test_batchnorm_statistics_of_a_frozen_backbone_change_only_on_request():
    for drifting in (False, True):
        own = tower(update_batchnorm_stats=drifting).train()
        before = own.backbone.norm.running_mean.clone()
        own(images([[True, True]]))
        assert torch.equal(before, own.backbone.norm.running_mean) != drifting
        assert own.is_frozen != drifting
        assert not any(parameter.requires_grad for parameter in own.parameters())


def test_center_of_an_image_is_cropped():
    wide = Image.new("RGB", (64, 32), "red")
    wide.paste((0, 0, 255), (16, 0, 48, 32))
    cut = center_crop(wide, 28)
    assert cut.size == (28, 28)
    assert cut.getpixel((14, 14)) == (0, 0, 255)
    assert cut.getcolors() == [(28 * 28, (0, 0, 255))]
