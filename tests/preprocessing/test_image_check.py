"""Images that cannot be decoded are found, here or in worker processes, and taken away from examples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from fabricate import draw

from hvpkit.preprocessing import image_check
from hvpkit.preprocessing.image_check import drop_images, find_unreadable, image_paths
from hvpkit.types import Box, Example, VisualObject
from hvpkit.utils.progress import track


def images(tmp_path):
    good = [draw(tmp_path / f"{i}.png") for i in range(30)]
    bad = [tmp_path / f"bad{i}.png" for i in range(3)]
    for path in bad:
        path.write_bytes(good[0].read_bytes()[:40])
    return good, bad


@pytest.mark.parametrize("few", [0, 100])
def test_unreadable_images_are_reported_and_all_are_counted(tmp_path, monkeypatch, few, bars):
    monkeypatch.setattr(image_check, "MIN_IMAGES_FOR_WORKERS", few)
    good, bad = images(tmp_path)
    examples = [Example(str(number), ("x",), image=path) for number, path in enumerate([*good, *bad])]
    faults = find_unreadable(track(examples, "images"), workers=2)
    assert set(faults) == set(bad)
    assert all(str(path) in fault for path, fault in faults.items())
    assert [(bar.total, bar.done) for bar in bars] == [(33, 33)]


def test_bad_images_are_taken_away_with_the_boxes_that_need_them(tmp_path):
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    box = Box(0, 0, 1, 1)
    things = (
        VisualObject(good),
        VisualObject(bad),
        VisualObject(box=box),
        VisualObject(bad, box),
        VisualObject(good, box),
    )
    example = Example("a", ("x",), image=good, objects=things)
    [kept] = drop_images([example], {bad: "damaged"})
    assert kept.image == good
    assert kept.objects == (things[0], things[2], VisualObject(box=box), things[4])
    [kept] = drop_images([replace(example, image=bad)], {bad: "damaged"})
    assert kept.image is None
    assert kept.objects == (things[0], things[4])
    assert list(drop_images([example], {})) == [example]


def test_every_file_is_listed_once():
    example = Example(
        "a",
        ("x",),
        image=Path("a.png"),
        objects=(VisualObject(Path("b.png")), VisualObject(Path("a.png")), VisualObject(box=Box(0, 0, 1, 1))),
    )
    assert list(image_paths([example, example, Example("b", ("x",))])) == [Path("a.png"), Path("b.png")]
