"""Features are served to the tower that made them and to no other."""

from __future__ import annotations

import logging

import pytest
import torch

from hvpkit.features.cache import open_feature_cache
from hvpkit.features.fingerprint import feature_dir, feature_fingerprint, open_feature_store, region_key
from hvpkit.interfaces import VisionContext
from hvpkit.model.vision.cnn_from_scratch import CnnFromScratch
from hvpkit.model.vision.tower import TowerOptions, VisualTower
from hvpkit.types import Box


class Doubled(CnnFromScratch):
    """Makes other maps of the same weights."""

    def forward(self, pixels):
        return [2 * level for level in super().forward(pixels)]


class Mirrored(CnnFromScratch):
    """Transforms images in its own way."""

    def transform(self, image):
        return super().transform(image).flip(-1)


def tower(seed: int = 0, size: int = 32, grid: int = 2, kind=CnnFromScratch, **options) -> VisualTower:
    torch.manual_seed(seed)
    return VisualTower(
        kind(VisionContext(size=size), 4), grid=grid, frozen=True, options=TowerOptions(**options)
    ).eval()


def moved(one: VisualTower) -> VisualTower:
    with torch.no_grad():
        next(one.parameters()).view(-1)[3] += 1e-3
    return one


def unstable(one: VisualTower) -> VisualTower:
    one.backbone.stages[0][2].eps = 1e-2
    return one


OTHERS = {
    "other weights": lambda: tower(1),
    "one weight moved": lambda: moved(tower()),
    "other statistics": lambda: shifted(tower()),
    "a setting of a layer": lambda: unstable(tower()),
    "other side": lambda: tower(size=48),
    "other grid": lambda: tower(grid=1),
    "other pooling": lambda: tower(pooling="floor"),
    "other class": lambda: tower(kind=Doubled),
    "other transform": lambda: tower(kind=Mirrored),
}


def shifted(one: VisualTower) -> VisualTower:
    one.backbone.stages[0][2].running_mean += 1e-3
    return one


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_whatever_changes_the_features_changes_the_folder(tmp_path, other):
    store, stale = open_feature_store(tower(), tmp_path)
    own, own_stale = open_feature_store(other(), tmp_path)
    assert own.folder != store.folder
    assert not stale
    assert not own_stale


def test_the_same_tower_finds_its_folder_again(tmp_path):
    first, second = (open_feature_store(tower(missing=missing), tmp_path) for missing in ("mask", "zeros"))
    assert first[0].folder == second[0].folder
    assert len(second[0]) == 1
    assert not second[1]
    assert feature_fingerprint(tower()) == feature_fingerprint(tower())


def test_changed_code_without_a_new_name_empties_the_store(tmp_path, monkeypatch):
    store, _ = open_feature_store(tower(), tmp_path)
    store.write_many({region_key(b"a", None): store.read(bytes(32))})
    before = CnnFromScratch.forward
    monkeypatch.setattr(CnnFromScratch, "forward", lambda self, pixels: [2 * level for level in before(self, pixels)])
    again, stale = open_feature_store(tower(), tmp_path)
    assert again.folder == store.folder
    assert stale
    assert again.read(region_key(b"a", None)) is None
    assert not open_feature_store(tower(), tmp_path)[1]


def test_an_emptied_store_is_warned_of(tmp_path, monkeypatch, logged):
    open_feature_cache(tower(), tmp_path)
    before = CnnFromScratch.forward
    monkeypatch.setattr(CnnFromScratch, "forward", lambda self, pixels: [2 * level for level in before(self, pixels)])
    open_feature_cache(tower(), tmp_path)
    [folder] = tmp_path.iterdir()
    assert [(warning.code, warning.fields) for warning in logged(logging.WARNING)] == [
        ("features-stale", {"folder": folder})
    ]


def test_damaged_first_row_is_repaired_without_losing_others(tmp_path):
    store, _ = open_feature_store(tower(), tmp_path)
    store.write_many({region_key(b"a", None): store.read(bytes(32))})
    rows = store.folder / "0000.rows"
    content = bytearray(rows.read_bytes())
    content[40] ^= 1
    rows.write_bytes(content)
    again, stale = open_feature_store(tower(), tmp_path)
    assert not stale
    assert again.read(bytes(32)) is not None
    assert again.read(region_key(b"a", None)) is not None


def test_keys_tell_contents_and_boxes_apart():
    boxes = (None, Box(0, 0, 1, 1), Box(0, 0, 1, 2), Box(0.5, 0, 1, 1))
    assert len({region_key(content, box) for content in (b"a", b"b") for box in boxes}) == 8
    assert region_key(b"a", Box(0, 0, 1, 1)) == region_key(b"a", Box(0.0, 0.0, 1.0, 1.0))


def test_features_lie_beside_prepared_data_or_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.delenv("HVPKIT_CACHE", raising=False)
    assert feature_dir(tmp_path / "data" / "mnre") == tmp_path / "data" / ".features"
    monkeypatch.setenv("HVPKIT_CACHE", str(tmp_path / "cache"))
    assert feature_dir(tmp_path / "data" / "mnre") == tmp_path / "cache"
    monkeypatch.setenv("HVPKIT_CACHE", "none")
    assert feature_dir(tmp_path / "data" / "mnre") is None
