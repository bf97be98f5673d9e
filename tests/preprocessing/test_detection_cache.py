"""Detections survive a stop of whatever kind, for the same image, phrases and settings alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hvpkit.config.recipe import ComponentSpec, ObjectsSpec
from hvpkit.preprocessing.detection_cache import DetectionCache, request_key
from hvpkit.types import Box, VisualObject

SETTINGS = ObjectsSpec(detector=ComponentSpec(name="saliency"), threshold=0.3)
FOUND = (VisualObject(box=Box(0, 1.5, 3, 4), phrase="☂", score=0.25), VisualObject(phrase=None))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_detections_are_read_as_they_were_written(tmp_path):
    with DetectionCache(tmp_path / "data", SETTINGS) as cache:
        cache.put("a", FOUND)
        cache.put("b", ())
        assert (cache.get("a"), cache.get("b"), cache.get("c")) == (FOUND, (), None)
    with DetectionCache(tmp_path / "data", SETTINGS) as cache:
        assert cache.get("a") == FOUND
    assert names(tmp_path) == [".data-objects.sqlite3"]
    cache.clear()
    assert names(tmp_path) == []


def test_other_settings_have_other_detections(tmp_path):
    other = SETTINGS.model_copy(update={"threshold": 0.4})
    with DetectionCache(tmp_path / "data", SETTINGS) as cache, DetectionCache(tmp_path / "data", other) as second:
        cache.put("a", FOUND)
        second.put("a", ())
        assert (cache.get("a"), second.get("a")) == (FOUND, ())
    with DetectionCache(tmp_path / "more", SETTINGS) as cache:
        assert cache.get("a") is None


def test_failure_before_the_first_detection_leaves_no_file(tmp_path):
    with pytest.raises(KeyboardInterrupt), DetectionCache(tmp_path / "data", SETTINGS):
        raise KeyboardInterrupt
    assert names(tmp_path) == []


@pytest.mark.parametrize("damage", [lambda content: b"x" * 5000, lambda content: content[: len(content) // 2 - 9]])
def test_damaged_file_is_replaced(tmp_path, damage):
    with DetectionCache(tmp_path / "data", SETTINGS) as cache:
        for number in range(500):
            cache.put(str(number), FOUND)
    cache.file.write_bytes(damage(cache.file.read_bytes()))
    with DetectionCache(tmp_path / "data", SETTINGS) as cache:
        assert cache.get("0") is None
        cache.put("0", FOUND)
    with DetectionCache(tmp_path / "data", SETTINGS) as cache:
        assert cache.get("0") == FOUND


KILLED = """
import os, sys
from pathlib import Path
sys.path[:0] = [{tests!r}]
from test_detection_cache import FOUND, SETTINGS
from hvpkit.preprocessing.detection_cache import DetectionCache
with DetectionCache(Path({folder!r}), SETTINGS) as cache:
    for number in range({count}):
        cache.put(str(number), FOUND)
    os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("count", [0, 1, 50])
def test_killed_process_loses_nothing(tmp_path, count):
    script = KILLED.format(tests=str(Path(__file__).parent), folder=str(tmp_path / "data"), count=count)
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    with DetectionCache(tmp_path / "data", SETTINGS) as cache:
        assert [cache.get(str(number)) for number in range(count + 1)] == [*[FOUND] * count, None]


def test_full_disk_is_an_os_error_and_loses_nothing(tmp_path, limited_file_size):
    with DetectionCache(tmp_path / "data", SETTINGS) as cache:
        cache.put("a", FOUND)
        with limited_file_size(cache.file.stat().st_size), pytest.raises(OSError) as caught:
            for number in range(1000):
                cache.put(str(number), FOUND)
        assert caught.value.filename == str(cache.file)
        assert cache.get("a") == FOUND
        cache.put("b", ())
        assert cache.get("b") == ()


def test_keys_tell_images_and_phrases_apart(tmp_path):
    for name, content in (("a", b"1"), ("copy", b"1"), ("b", b"2")):
        (tmp_path / name).write_bytes(content)
    key = request_key(tmp_path / "a", ["x", "y"])
    assert request_key(tmp_path / "copy", ["x", "y"]) == key
    others = {request_key(tmp_path / name, phrases) for name, phrases in (("b", ["x", "y"]), ("a", ["xy"]), ("a", []))}
    assert len(others | {key}) == 4
