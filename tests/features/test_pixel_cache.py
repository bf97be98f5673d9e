from __future__ import annotations

import pytest
import tiny
import torch

from hvpkit.errors import ImageError
from hvpkit.features.cache import PixelCache
from hvpkit.images.regions import ImageRegion
from hvpkit.interfaces import VisionContext
from hvpkit.model.vision.cnn_from_scratch import CnnFromScratch
from hvpkit.model.vision.tower import VisualTower

BYTES = 3 * 32 * 32 * 4  # of one view


@pytest.fixture
def tower():
    return VisualTower(CnnFromScratch(VisionContext(size=32), width=8), grid=1, frozen=False)


@pytest.fixture
def views(tmp_path):
    return [ImageRegion(tiny.draw(tmp_path / f"{number}.png", number)) for number in range(2)]


def test_a_view_gives_the_same_pixels_from_memory_as_from_its_file(tower, views):
    cache = PixelCache(tower)
    first = cache.get(views[0])
    views[0].image.unlink()
    assert torch.equal(cache.get(views[0]), first)
    assert torch.equal(cache.get(views[1]), tower.transform(views[1].open()))


def test_what_has_no_room_is_decoded_each_time(tower, views):
    cache = PixelCache(tower, max_bytes=BYTES)
    for view in views:
        cache.get(view)
        view.image.unlink()
    assert cache.get(views[0]).shape == (3, 32, 32)
    with pytest.raises(ImageError):
        cache.get(views[1])


def test_levels_of_the_small_backbone_are_zero_on_average_from_the_start(tower):
    torch.manual_seed(0)
    for level in tower.backbone.train()(torch.rand(16, 3, 32, 32)):
        assert level.mean(dim=(0, 2, 3)).abs().max() < 1e-4
