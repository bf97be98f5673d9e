from __future__ import annotations

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from hvpkit.interfaces import ImageBatch, LevelInfo, VisionContext, VisualBackbone
from hvpkit.model.vision.cnn_from_scratch import CnnFromScratch
from hvpkit.model.vision.tower import TowerOptions, VisualTower, scatter_by_mask

MASK = torch.tensor([[True, False, True], [False, False, False], [False, True, False]])


class Tiny(VisualBackbone):
    """Two levels of maps, one of tokens; a norm whose running statistics move in training."""

    levels = (LevelInfo(4, 2), LevelInfo(6, 4), LevelInfo(5, 8, cells=3))

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        self.first, self.second = nn.Conv2d(3, 4, 2, stride=2), nn.Conv2d(4, 6, 2, stride=2)
        self.tokens = nn.Linear(6, 5)

    def transform(self, image: Image.Image) -> Tensor:
        return torch.full((3, 12, 12), float(image.getpixel((0, 0))[0]))

    def forward(self, pixels: Tensor) -> list[Tensor]:
        first = self.first(self.norm(pixels))
        second = self.second(first)
        return [first, second, self.tokens(second.flatten(2)[:, :, :3].transpose(1, 2)).transpose(1, 2)]


def tower_of(grid: int = 2, frozen: bool = True) -> VisualTower:
    torch.manual_seed(1)
    return VisualTower(Tiny(), grid=grid, frozen=frozen)


def images_of(seed: int = 0) -> ImageBatch:
    pixels = torch.randn(int(MASK.sum()), 3, 12, 12, generator=torch.Generator().manual_seed(seed))
    return ImageBatch(MASK, torch.zeros(3, 3, 4), pixels=pixels)


@pytest.mark.parametrize("grid", [1, 2, 3, 4])
def test_maps_are_averaged_over_each_cell_of_the_grid(grid):
    tower, images = tower_of(grid).eval(), images_of()
    levels = tower(images).levels
    places = MASK.nonzero().tolist()
    for level, maps in zip(levels[:2], tower.backbone(images.pixels)[:2], strict=True):
        side = maps.shape[-1]  # 6, 3: where the grid does not divide it, cells overlap
        for k, (b, v) in enumerate(places):
            for y in range(grid):
                for x in range(grid):
                    rows, columns = (slice(i * side // grid, -(-(i + 1) * side // grid)) for i in (y, x))
                    cell = maps[k, :, rows, columns].mean((1, 2))
                    torch.testing.assert_close(level[b, v, :, y * grid + x], cell)


def test_tokens_are_not_pooled():
    tower, images = tower_of().eval(), images_of()
    torch.testing.assert_close(tower(images).levels[2][MASK], tower.backbone(images.pixels)[2])


def test_missing_images_are_zero_and_others_follow_the_mask():
    visual = tower_of()(images_of())
    assert visual.mask is MASK
    for level in visual.levels:
        assert level.shape[:2] == MASK.shape
        assert not level[~MASK].any()
        assert level[MASK].flatten(1).any(1).all()
    assert scatter_by_mask([torch.tensor([7.0, 8.0, 9.0])], MASK)[0].tolist() == [[7, 0, 8], [0, 0, 0], [0, 9, 0]]


def test_features_replace_pixels():
    tower, images = tower_of().eval(), images_of()
    features = tower.pyramid(images.pixels)
    cached = tower(ImageBatch(MASK, images.boxes, features=features))
    assert all(torch.equal(a, b) for a, b in zip(cached.levels, tower(images).levels, strict=True))


def zeros_tower(**options) -> VisualTower:
    torch.manual_seed(1)
    return VisualTower(Tiny(), grid=2, frozen=True, options=TowerOptions(missing="zeros", **options)).eval()


def test_with_features_missing_images_are_what_the_network_makes_of_zeros():
    tower, images = zeros_tower(), images_of()
    tower.transform = lambda image: torch.full((3, 12, 12), 7.0)  # whose shape alone is asked for
    with torch.inference_mode():
        shown = tower(images)
        kept = tower(ImageBatch(MASK, images.boxes, features=tower.pyramid(images.pixels)))
    assert torch.equal(kept.mask, shown.mask) and kept.mask.tolist() == [[True] * 3, [False] * 3, [True] * 3]
    for one, other in zip(kept.levels, shown.levels, strict=True):
        torch.testing.assert_close(one, other)
    assert not any(
        level.is_inference() for levels in tower._zero_image_cache.values() for level in levels
    )  # training may go on with them


def test_features_of_zeros_are_computed_once_per_weights(monkeypatch):
    tower, passes, forward = zeros_tower(), [], Tiny.forward
    monkeypatch.setattr(Tiny, "forward", lambda self, pixels: passes.append(len(pixels)) or forward(self, pixels))
    images = ImageBatch(MASK, torch.zeros(3, 3, 4), features=tower.pyramid(images_of().pixels))
    first, second = tower(images), tower(images)
    assert passes == [3, 1] and all(map(torch.equal, first.levels, second.levels))
    tower.load_state_dict({name: 2 * weights for name, weights in tower.state_dict().items()})
    assert not torch.equal(tower(images).levels[0], first.levels[0]) and passes == [3, 1, 1]


def test_features_of_zeros_are_recomputed_if_statistics_are_updated(monkeypatch):
    tower, passes, forward = zeros_tower(update_batchnorm_stats=True), [], Tiny.forward
    monkeypatch.setattr(Tiny, "forward", lambda self, pixels: passes.append(len(pixels)) or forward(self, pixels))
    images = ImageBatch(MASK, torch.zeros(3, 3, 4), features=tower.pyramid(images_of().pixels))
    tower(images), tower(images)
    assert passes == [3, 1, 1]


def test_images_hold_pixels_or_features():
    with pytest.raises(ValueError, match="pixels"):
        tower_of()(ImageBatch(MASK, torch.zeros(3, 3, 4)))


def test_a_frozen_backbone_learns_nothing_and_its_statistics_stay():
    tower = tower_of(frozen=True)
    before = {name: value.clone() for name, value in tower.state_dict().items()}
    tower.train()
    assert not any(module.training for module in tower.modules())
    assert not any(level.requires_grad for level in tower(images_of()).levels)
    assert not any(parameter.requires_grad for parameter in tower.parameters())
    assert all(torch.equal(before[name], value) for name, value in tower.state_dict().items())


def test_a_backbone_that_is_not_frozen_trains():
    tower = tower_of(frozen=False)
    tower.train()
    assert all(module.training for module in tower.modules())
    sum(level.square().sum() for level in tower(images_of()).levels).backward()
    assert all(parameter.grad is not None for parameter in tower.parameters())
    assert tower.backbone.norm.num_batches_tracked == 1
    tower.eval()
    assert not any(module.training for module in tower.modules())


def test_levels_need_no_gradient_under_no_grad():
    with torch.no_grad():
        assert not any(level.requires_grad for level in tower_of(frozen=False)(images_of()).levels)


def test_images_become_pixels_as_the_backbone_wants_them():
    assert torch.equal(tower_of().transform(Image.new("RGB", (5, 5), (9, 0, 0))), torch.full((3, 12, 12), 9.0))


def test_a_frozen_backbone_is_in_evaluation_mode_from_the_start():
    frozen, learning = (
        VisualTower(CnnFromScratch(VisionContext(size=32), 4), grid=1, frozen=frozen) for frozen in (True, False)
    )
    before = {name: value.clone() for name, value in frozen.state_dict().items()}
    frozen.pyramid(torch.rand(2, 3, 32, 32))
    assert not frozen.training
    assert not any(module.training for module in frozen.modules())
    assert learning.training
    assert all(torch.equal(value, before[name]) for name, value in frozen.state_dict().items())
