"""Measure feature extraction from photographs against the bare forward pass of the same backbone on prepared pixels.

    python benchmarks/images.py [--images 1000] [--backbone resnet50] [--turns 10] [--output benchmarks/images.json]

Generates JPEGs of 900 x 600 (crops of two photographs of scikit-learn, mirrored, with noise) and writes their features
to an empty cache: reading, hashing, decoding in worker processes, transforming, the backbone, pooling, float16, disk.
Both sides alternate, a part of the images at a time, so that other work on the machine slows both; the workers of a
part start and end within its time. Weights are random. Writes images.json and a part of results/images.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_sample_images

import report
from hvpkit.features.extract import BATCH
from hvpkit.features.fingerprint import open_feature_store
from hvpkit.features.populate import populate_store
from hvpkit.images.regions import ImageRegion
from hvpkit.interfaces import VisionContext
from hvpkit.model.vision.tower import VisualTower
from hvpkit.registry import load_registry

SIZE = (900, 600)
FLOOR = 0.85


@dataclass(frozen=True)
class Result:
    """Images per second; `ratio` of features to forward is over all seconds of each side.

    `median_ratio` over the rounds.

    `processor_ratio` is that of processor seconds, workers included; other work on the machine affects it least.
    """

    images: int
    backbone: str
    threads: int
    machine: str
    forward_rate: float
    features_rate: float
    ratio: float
    median_ratio: float
    processor_ratio: float
    again_rate: float
    largest_difference: float


def draw(folder: Path, count: int) -> list[ImageRegion]:
    """Write JPEGs of quality 90 that all differ."""
    photographs = [Image.fromarray(pixels) for pixels in load_sample_images().images]
    regions = []
    for number in range(count):
        chance = np.random.default_rng(number)
        photograph = photographs[number % 2]
        left, top = chance.integers(0, photograph.width // 4), chance.integers(0, photograph.height // 4)
        part = photograph.crop((left, top, left + photograph.width * 3 // 4, top + photograph.height * 3 // 4)).resize(
            SIZE
        )
        part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if number % 3 == 0 else part
        noisy = np.asarray(part) + chance.normal(0, 3, (SIZE[1], SIZE[0], 1))
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / f"{number}.jpg", quality=90)
        regions.append(ImageRegion(folder / f"{number}.jpg"))
    return regions


@dataclass(frozen=True)
class Seconds:
    """Wall time and processor time of some work, processes that ended within it included."""

    wall: float
    processor: float


def seconds(work: Callable[[], object]) -> Seconds:
    """Time some work."""
    begun, spent = time.perf_counter(), sum(os.times()[:4])
    work()
    return Seconds(time.perf_counter() - begun, sum(os.times()[:4]) - spent)


@torch.no_grad()
def forward(tower: VisualTower, pixels: torch.Tensor, count: int) -> None:
    """Run `count` images through the backbone, in the batch size of feature extraction."""
    for start in range(0, count, BATCH):
        tower.backbone(pixels[: min(BATCH, count - start)])


def measure(tower: VisualTower, backbone: str, regions: Sequence[ImageRegion], turns: int, cache: Path) -> Result:
    """Alternate both sides over the images."""
    store = open_feature_store(tower, cache)
    pixels = torch.stack([tower.load_pixels(region) for region in regions[:BATCH]])
    forward(tower, pixels, BATCH)
    bare, made = [], []
    for turn in range(turns):
        part = regions[turn * len(regions) // turns : (turn + 1) * len(regions) // turns]
        for side in (0, 1) if turn % 2 else (1, 0):
            if side:
                bare.append(seconds(lambda part=part: forward(tower, pixels, len(part))))
            else:
                made.append(seconds(lambda part=part: populate_store(tower, store, part)))
    again = seconds(lambda: populate_store(tower, store, regions)).wall
    bare_wall, made_wall = (sum(turn.wall for turn in side) for side in (bare, made))
    return Result(
        images=len(regions),
        backbone=backbone,
        threads=torch.get_num_threads(),
        machine=f"{platform.processor() or platform.machine()}, {torch.backends.cpu.get_cpu_capability()}",
        forward_rate=len(regions) / bare_wall,
        features_rate=len(regions) / made_wall,
        ratio=bare_wall / made_wall,
        median_ratio=statistics.median(one.wall / other.wall for one, other in zip(bare, made, strict=True)),
        processor_ratio=sum(turn.processor for turn in bare) / sum(turn.processor for turn in made),
        again_rate=len(regions) / again,
        largest_difference=difference(tower, store.folder.parent, regions[:: max(1, len(regions) // 20)]),
    )


@torch.no_grad()
def difference(tower: VisualTower, cache: Path, regions: Sequence[ImageRegion]) -> float:
    """Return the largest difference between cached and computed features, as a fraction of a level's largest value."""
    from hvpkit.features.cache import open_feature_cache

    pyramids = open_feature_cache(tower, cache)
    pyramids.populate(regions)
    return max(
        float((kept - own[0]).abs().max() / own[0].abs().max())
        for region in regions
        for kept, own in zip(pyramids.get(region), tower.pyramid(tower.load_pixels(region)[None]), strict=True)
    )


def section(found: dict[str, Any]) -> str:
    """Format the generated part of results/images.md."""
    about = f"{found['images']} JPEGs of {SIZE[0]} x {SIZE[1]}, {found['backbone']}, {found['threads']} threads, {found['machine']}."  # noqa: E501
    rows = [
        ("bare forward pass", f"{found['forward_rate']:.2f}", "1.000", ""),
        (
            "features, from files",
            f"{found['features_rate']:.2f}",
            f"{found['ratio']:.3f}",
            f"{found['median_ratio']:.3f}",
        ),
        ("features, from the cache", f"{found['again_rate']:.0f}", "", ""),
    ]
    notes = [
        f"- Target: at least {FLOOR} of the bare pass: {'reached' if found['ratio'] >= FLOOR else 'missed'}.",
        f"- In processor seconds, worker processes included: {found['processor_ratio']:.3f}.",
        f"- Cached features (float16) differ from computed ones by at most {found['largest_difference']:.1e} of a level's largest value.",  # noqa: E501
    ]
    columns = ("what", "images/s", "fraction of the bare pass", "median over rounds")
    return "\n".join([about, "", report.table(columns, rows), "", *notes])


def main() -> None:
    """Measure, print and write."""
    options = argparse.ArgumentParser(description="Measure feature extraction from photographs.")
    options.add_argument("--images", type=int, default=1000)
    options.add_argument("--backbone", default="resnet50")
    options.add_argument("--turns", type=int, default=10)
    options.add_argument("--output", type=Path, default=Path("benchmarks/images.json"))
    given = options.parse_args()
    torch.manual_seed(0)
    backbone = load_registry().build("visual backbone", given.backbone, VisionContext(), {"weights": "random"})
    tower = VisualTower(backbone, grid=2, frozen=True).eval()
    with tempfile.TemporaryDirectory() as folder:
        regions = draw(Path(folder), given.images)
        result = measure(tower, given.backbone, regions, min(given.turns, given.images), Path(folder) / "cache")
    found = asdict(result)
    given.output.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    report.update_page(given.output.parent, "images", "images", section(found))
    print(section(found))


if __name__ == "__main__":
    main()
