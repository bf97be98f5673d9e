"""Features are served to the tower that made them and to no other."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from importlib.util import module_from_spec, spec_from_file_location

import pytest
import torch

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
    assert open_feature_store(other(), tmp_path).folder != open_feature_store(tower(), tmp_path).folder


def test_the_same_tower_finds_its_folder_again(tmp_path):
    first, second = (open_feature_store(tower(missing=missing), tmp_path) for missing in ("mask", "zeros"))
    assert first.folder == second.folder
    assert json.loads((first.folder / "fingerprint.json").read_text()) == feature_fingerprint(tower())


def test_the_layout_is_that_of_the_features(tmp_path):
    one = tower()
    levels = [level[0].detach().numpy() for level in one.pyramid(torch.zeros(1, 3, 32, 32))]
    layout = open_feature_store(one, tmp_path).layout
    assert [(*shape,) for shape in zip(layout.channels, layout.cells, strict=True)] == [level.shape for level in levels]


def backbone_of(file, code):
    file.write_text(code)
    spec = spec_from_file_location("changing_backbone", file)
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.Changing


def test_changed_code_of_a_backbone_changes_the_folder(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "changing_backbone", None)
    code = """
from hvpkit.model.vision.cnn_from_scratch import CnnFromScratch
class Changing(CnnFromScratch):
    def forward(self, pixels):
        return [{factor} * level for level in super().forward(pixels)]
"""
    first, second, again = (
        feature_fingerprint(tower(kind=backbone_of(tmp_path / f"{name}.py", code.format(factor=factor))))
        for name, factor in (("a", 2), ("a", 3), ("b", 2))
    )
    assert {key for key in first if first[key] != second[key]} == {"code"}
    assert again == first  # wherever the file is


def test_other_library_version_changes_the_folder(tmp_path, monkeypatch):
    before = open_feature_store(tower(), tmp_path).folder
    monkeypatch.setattr("hvpkit.features.fingerprint.version", lambda name: "9" if name == "pillow" else version(name))
    assert open_feature_store(tower(), tmp_path).folder != before
    monkeypatch.setattr("hvpkit.features.fingerprint.version", lambda name: version(name).partition("+")[0] + "+cu99")
    assert open_feature_store(tower(), tmp_path).folder == before


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
