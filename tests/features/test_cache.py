"""Features of images are computed once, also by several processes and after interruptions."""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from raising import raises

from hvpkit.errors import ImageError, MissingImageError
from hvpkit.features import extract
from hvpkit.features.cache import FeatureCache, open_feature_cache
from hvpkit.features.database import DATA_FILE, open_database
from hvpkit.features.extract import FeatureExtractor, RegionDecoder, round_to_store
from hvpkit.features.fingerprint import open_feature_store, region_key
from hvpkit.features.populate import populate_store
from hvpkit.features.store import FeatureLayout, FeatureStore
from hvpkit.images.regions import ImageRegion
from hvpkit.interfaces import VisionContext
from hvpkit.model.vision.cnn_from_scratch import CnnFromScratch
from hvpkit.model.vision.tower import VisualTower
from hvpkit.types import Box


def make_tower() -> VisualTower:
    torch.manual_seed(0)
    return VisualTower(CnnFromScratch(VisionContext(size=32), 4), grid=2, frozen=True).eval()


def draw_many(folder: Path, count: int, size=(48, 40)) -> list[ImageRegion]:
    folder.mkdir(parents=True, exist_ok=True)
    regions = []
    for number in range(count):
        file = folder / f"{number}.jpg"
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), np.uint8)).save(file)
        regions.append(ImageRegion(file))
    return regions


def on_the_fly(tower: VisualTower, region: ImageRegion):
    with torch.no_grad():
        return [level[0] for level in tower.pyramid(tower.load_pixels(region)[None])]


def same(found, wanted) -> bool:
    return all(torch.allclose(one, other, rtol=1e-3, atol=1e-3) for one, other in zip(found, wanted, strict=True))


@pytest.fixture
def tower() -> VisualTower:
    return make_tower()


@pytest.fixture
def regions(tmp_path) -> list[ImageRegion]:
    whole = draw_many(tmp_path / "images", 12)
    return [
        region
        for one in whole
        for region in (one, ImageRegion(one.image, Box(4, 4, 30, 30)), ImageRegion(one.image, Box(0.5, 0, 20, 39)))
    ]


@pytest.fixture(params=["on disk", "in memory"])
def cache(request, tower, tmp_path) -> FeatureCache:
    return FeatureCache(tower, open_feature_store(tower, tmp_path / "cache") if request.param == "on disk" else None)


# ------------------------------------------------------------------------------------------------------------ what is
# served
def test_what_is_kept_is_what_would_be_computed_on_the_fly(cache, tower, regions):
    filled = cache.populate(regions)
    assert (filled.computed, filled.kept, filled.unreadable) == (36, 0, 0)
    assert all(same(cache.get(region), on_the_fly(tower, region)) for region in regions)
    assert not same(cache.get(regions[0]), on_the_fly(tower, regions[1]))
    assert not same(cache.get(regions[0]), on_the_fly(tower, regions[3]))


def test_many_are_served_at_once_and_are_what_each_would_be(cache, regions):
    asked = [regions[i] for i in (5, 0, 5, 11, 30)]
    for _ in range(2):  # at first they are computed
        stacked = cache.batch(asked)
        for level, ones in zip(stacked, zip(*map(cache.get, asked), strict=True), strict=True):
            assert level.dtype == torch.float32 and torch.equal(level, torch.stack(ones))


def test_unreadable_image_among_many_is_reported(cache, regions, tmp_path):
    with raises(MissingImageError, "image-missing", file=tmp_path / "gone.jpg"):
        cache.batch([regions[0], ImageRegion(tmp_path / "gone.jpg")])


def test_worker_processes_give_the_same_features_in_the_same_order(tower, regions, monkeypatch):
    here = [one for batch in FeatureExtractor(tower).batches(regions) for one in batch]
    monkeypatch.setattr(extract, "MIN_FILES_FOR_WORKERS", 2)
    with FeatureExtractor(tower) as looker:
        there = [one for batch in looker.batches(regions) for one in batch]
    assert [one.region for one in here] == [one.region for one in there] == regions
    assert all(
        torch.equal(a, b)
        for one, other in zip(here, there, strict=True)
        for a, b in zip(one.levels, other.levels, strict=True)
    )


def test_a_second_run_computes_nothing_and_decodes_nothing(tower, regions, tmp_path, monkeypatch, logged):
    open_feature_cache(tower, tmp_path / "cache").populate(regions)
    assert not logged()
    monkeypatch.setattr(VisualTower, "transform", lambda tower, image: pytest.fail("decoded again"))
    filled = FeatureCache(tower, open_store_of_the_first(tmp_path / "cache")).populate(regions)
    assert (filled.computed, filled.kept) == (0, 36)


def open_store_of_the_first(folder: Path) -> FeatureStore:
    [place] = folder.iterdir()
    return FeatureStore(place, FeatureLayout((4, 8, 16, 32), (4, 4, 4, 4)))


def test_copied_image_shares_features_and_changed_image_does_not(tower, regions, tmp_path):
    store = open_feature_store(tower, tmp_path / "cache")
    populate_store(tower, store, regions)
    copy = tmp_path / "copy.jpg"
    copy.write_bytes(regions[0].image.read_bytes())
    assert populate_store(tower, store, [ImageRegion(copy), ImageRegion(copy, Box(4, 4, 30, 30))]).kept == 2
    copy.write_bytes(regions[3].image.read_bytes() + b"\0")
    assert populate_store(tower, store, [ImageRegion(copy)]).computed == 1
    cache = FeatureCache(tower, store)
    assert same(cache.get(ImageRegion(copy)), on_the_fly(tower, ImageRegion(copy)))


def test_a_bad_image_fails_alone_and_is_counted(cache, tower, regions, tmp_path, bars):
    cut, empty, missing = tmp_path / "cut.jpg", tmp_path / "empty.jpg", tmp_path / "missing.jpg"
    cut.write_bytes(regions[0].image.read_bytes()[:300])
    empty.touch()
    outside = ImageRegion(regions[0].image, Box(400, 400, 500, 500))
    bad = [ImageRegion(cut), ImageRegion(empty), ImageRegion(missing), ImageRegion(cut, Box(0, 0, 5, 5)), outside]
    filled = cache.populate([bad[0], *regions[:10], *bad[1:], *regions[10:]])
    assert (filled.computed, filled.unreadable) == (36, 5)
    assert (filled.first_error.code, filled.first_error.fields["file"]) == ("image-damaged", cut)
    assert [(bar.total, bar.done, bar.closed) for bar in bars] == [(41, 41, True)]
    for region in bad:
        with pytest.raises(ImageError):
            cache.get(region)
        assert isinstance(cache.error_for([None, regions[0], region]), ImageError)
    assert cache.error_for([*regions, None]) is None
    assert same(cache.get(regions[0]), on_the_fly(tower, regions[0]))


def test_in_memory_only_what_is_held_stays(tower, regions):
    cache = FeatureCache(tower)
    cache.prefetch(regions[:4])
    first = cache.get(regions[3])
    cache.prefetch(regions[3:6])
    for region in regions[:4]:
        region.image.unlink(missing_ok=True)
    assert cache.get(regions[3]) is first
    with pytest.raises(ImageError):
        cache.get(regions[0])


# ------------------------------------------------------------------------------------------------------- damage, full
# disks
def damage(cache_folder: Path, region: ImageRegion) -> None:
    """Change a byte of a row."""
    [file] = cache_folder.rglob(DATA_FILE)
    key = region_key(region.image.read_bytes(), region.box)
    row = open_database(file.parent).read(lambda values: bytes(values.get(key)), b"")
    content = file.read_bytes()
    assert row and row in content
    file.write_bytes(content.replace(row, row[:100] + bytes([row[100] ^ 64]) + row[101:]))


@pytest.fixture
def full_disk(tmp_path, limited_file_size):
    def limit_database():
        [file] = (tmp_path / "cache").rglob(DATA_FILE)
        return limited_file_size(file.stat().st_size)

    return limit_database


def test_features_are_the_same_bit_for_bit_in_memory_and_in_a_store(tower, regions, tmp_path):
    stored, in_memory = open_feature_cache(tower, tmp_path / "cache"), FeatureCache(tower, keep_all=True)
    for cache in (stored, in_memory):
        cache.populate(regions)
    for region in regions:
        assert all(map(torch.equal, stored.get(region), in_memory.get(region)))
    assert not all(map(torch.equal, in_memory.get(regions[0]), on_the_fly(tower, regions[0])))


@pytest.mark.parametrize("size", [0.0, 1e-30, 1e-3, 1.0, 65_519.0, 65_535.9, 1e30])
def test_features_are_rounded_as_the_store_rounds_them(tmp_path, size):
    level = size * torch.randn(1, 3, 4, generator=torch.Generator().manual_seed(1)).clamp(-1, 1)
    store = FeatureStore(tmp_path, FeatureLayout((3,), (4,)))
    store.write_many({b"0" * 32: [level[0].numpy()]})
    [stored] = store.read(b"0" * 32)
    rounded = round_to_store(level)
    assert torch.equal(rounded[0], torch.from_numpy(stored))
    assert torch.equal(round_to_store(rounded), rounded)


def test_damaged_features_are_recomputed(tower, regions, tmp_path, logged):
    populate_store(tower, open_feature_store(tower, tmp_path / "cache"), regions)
    for number in (5, 11, 20):
        damage(tmp_path / "cache", regions[number])
    cache = open_feature_cache(tower, tmp_path / "cache")
    filled = cache.populate(regions)
    assert not logged()
    assert (filled.computed, filled.damaged, filled.kept) == (3, 3, 33)
    assert all(same(cache.get(region), on_the_fly(tower, region)) for region in regions)


def test_features_damaged_while_in_use_are_recomputed(tower, regions, tmp_path, logged):
    cache = open_feature_cache(tower, tmp_path / "cache")
    cache.populate(regions)
    assert not logged()
    for number in (5, 11, 20):
        damage(tmp_path / "cache", regions[number])
    assert all(same(cache.get(region), on_the_fly(tower, region)) for region in regions)


def test_what_cannot_be_written_stays_in_memory_with_a_warning(tower, regions, tmp_path, logged, full_disk):
    cache = open_feature_cache(tower, tmp_path / "cache")
    cache.populate(regions[:6])
    with full_disk():
        assert cache.populate(regions).computed == 30
    [warning] = logged(logging.WARNING)
    assert (warning.code, warning.fields["folder"].parent) == ("features-not-cached", tmp_path / "cache")
    assert warning.fields["reason"] == str(OSError(27, "File too large"))
    assert all(same(cache.get(region), on_the_fly(tower, region)) for region in regions)


def test_what_is_on_disk_is_found_though_nothing_more_can_be_written(tower, regions, tmp_path, full_disk):
    open_feature_cache(tower, tmp_path / "cache").populate(regions[30:])
    cache = open_feature_cache(tower, tmp_path / "cache")
    with full_disk():
        cache.populate(regions[:6])
        cache.populate(regions)
    assert all(same(cache.get(region), on_the_fly(tower, region)) for region in regions)
    assert same([level[-1] for level in cache.batch(regions)], on_the_fly(tower, regions[-1]))


def test_unwritable_folder_is_reported_and_memory_is_used(tower, regions, tmp_path, logged):
    (tmp_path / "file").touch()
    cache = open_feature_cache(tower, tmp_path / "file" / "cache")
    [warning] = logged(logging.WARNING)
    assert (warning.code, warning.fields["folder"]) == ("features-not-cached", tmp_path / "file" / "cache")
    assert same(cache.get(regions[0]), on_the_fly(tower, regions[0]))
    assert same(open_feature_cache(tower, None).get(regions[0]), on_the_fly(tower, regions[0]))
    assert logged() == [warning]


# ------------------------------------------------------------------------------------------------- kills, several
# processes
SCRIPT = """
import os, sys
from contextlib import nullcontext
from pathlib import Path
sys.path[:0] = {tests!r}
from test_cache import draw_many, make_tower
from hvpkit.utils.progress import set_backend
from hvpkit.features import extract
from hvpkit.features.fingerprint import open_feature_store, region_key
from hvpkit.features.populate import populate_store
from hvpkit.images.regions import ImageRegion
extract.BATCH = 4
tower = make_tower()
class Killer:
    done = 0
    def start(self, description, total):
        return nullcontext(self)
    def advance(self, steps=1):
        self.done += steps
        if self.done >= {kill}:
            os.kill(os.getpid(), 9)
set_backend(Killer())
regions = [ImageRegion(file) for file in sorted(Path({images!r}).iterdir())]
filled = populate_store(tower, open_feature_store(tower, Path({cache!r})), regions)
print(filled.computed, filled.kept)
"""


def start(images: Path, cache: Path, kill: int = 10**9) -> subprocess.Popen:
    script = SCRIPT.format(
        tests=[str(folder) for folder in Path(__file__).parents[:2]], images=str(images), cache=str(cache), kill=kill
    )
    return subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )


def test_a_killed_run_goes_on_without_losing_or_repeating_what_was_finished(tower, tmp_path):
    regions = draw_many(tmp_path / "images", 60)
    killed = start(tmp_path / "images", tmp_path / "cache", kill=20)
    killed.communicate()
    assert killed.returncode == -9
    store = open_feature_store(tower, tmp_path / "cache")
    filled = populate_store(tower, store, regions)
    assert (filled.kept, filled.computed, filled.damaged) == (20, 40, 0)
    cache = FeatureCache(tower, store)
    assert all(same(cache.get(region), on_the_fly(tower, region)) for region in regions)


def test_two_runs_at_once_do_no_harm(tower, tmp_path):
    regions = draw_many(tmp_path / "images", 60)
    runs = [start(tmp_path / "images", tmp_path / "cache") for _ in range(2)]
    counts = [[int(number) for number in run.communicate()[0].split()] for run in runs]
    assert all(run.returncode == 0 for run in runs)
    assert [sum(count) for count in counts] == [60, 60]
    store = open_feature_store(tower, tmp_path / "cache")
    assert len(store) == 60
    filled = populate_store(tower, store, regions)
    assert (filled.kept, filled.damaged) == (60, 0)
    cache = FeatureCache(tower, store)
    assert all(same(cache.get(region), on_the_fly(tower, region)) for region in regions)


def test_what_workers_do_can_be_sent_to_processes_that_start_afresh(tower, regions, tmp_path):
    decode = pickle.loads(pickle.dumps(RegionDecoder(tower, open_feature_store(tower, tmp_path / "cache"))))
    [found] = decode(regions[:1])
    assert np.array_equal(found.pixels, tower.load_pixels(regions[0]).numpy())


def test_memory_does_not_grow_with_the_number_of_images(tower, tmp_path):
    few = draw_many(tmp_path / "images", 40, size=(16, 16))
    store = open_feature_store(tower, tmp_path / "cache")

    def peak(times: int) -> int:
        tracemalloc.start()
        boxes = [Box(0, 0, 1 + i / 1000, 9) for i in range(times)]
        populate_store(tower, store, (ImageRegion(region.image, box) for box in boxes for region in few))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(2)
    small, large = peak(5), peak(40)
    assert len(store) == 40 * 40
    assert large < small + 40 * 35 * 500  # a region's features and pixels are more than ten times that
