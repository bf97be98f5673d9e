"""Demo datasets: what a reader gives, and the same written to a folder, with the ceilings of what they allow (our own; no torch)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from hvpkit.data.prepared import Manifest, atomic_directory, write_records
from hvpkit.data.readers.base import DatasetSplits
from hvpkit.labels.gold import gold_labels
from hvpkit.labels.inventory import relation_labels, tag_labels
from hvpkit.synthetic.lexicon import SETTLED_PAIRS
from hvpkit.synthetic.scenarios import SyntheticSettings
from hvpkit.synthetic.tweets import TweetStream
from hvpkit.synthetic.upper_bounds import upper_bounds
from hvpkit.types import SPLITS, Example, Split, Task


def generate(
    folder: Path,
    *,
    task: Task = "mner",
    size: int = 2000,
    seed: int = 0,
    uninformative: float = 0.3,
    ambiguous: float = 0.6,
    test_uninformative: float | None = None,
) -> Manifest:
    """Write tweets with images whose truth is known into a prepared folder; the same settings give the same bytes.

    The share of uninformative images changes neither texts nor labels, nor the images that stay relevant. The manifest's facts hold the
    settings, the shares as they came out, and the ceilings of dev and test (see hvpkit/synthetic/upper_bounds.py). Raises InputError for
    settings that cannot be, DataError when `folder` holds anything else than such data.
    """
    settings = SyntheticSettings(task, size, seed, uninformative, ambiguous, test_uninformative)
    with atomic_directory(folder, dataset_name(task)) as stage:
        made = generate_demo(settings, stage)
        return write_records(
            stage,
            name=dataset_name(task),
            task=task,
            labels=made.labels,
            splits=made.splits,
            images_root=made.images_root,
            source=made.source,
            facts=made.facts,
        )


def dataset_name(task: Task) -> str:
    """Give the name of the prepared data, which is also its default folder under `data/`: demo for MNER, demo-mre for MRE."""
    return "demo" if task == "mner" else "demo-mre"


def generate_demo(settings: SyntheticSettings, folder: Path, text_only: bool = False) -> DatasetSplits:
    """Give a dataset whose images are drawn below `folder` as its examples are read, or not at all if `text_only`."""
    tweets = {split: TweetStream(settings, split, folder) for split in SPLITS}
    told = {split: [each.example for each in tweets[split].told] for split in SPLITS}
    splits: Mapping[Split, Iterable[Example]] = tweets
    if text_only:
        splits = told = {split: [replace(example, image=None) for example in examples] for split, examples in told.items()}
    return DatasetSplits(
        labels=tag_labels() if settings.task == "mner" else relation_labels(SETTLED_PAIRS),
        splits=splits,
        images_root=None if text_only else folder,
        source=f"drawn by hvpkit, {', '.join(f'{name} {value}' for name, value in asdict(settings).items() if value is not None)}",
        facts=_facts(settings, told),
    )


def _facts(settings: SyntheticSettings, splits: Mapping[Split, Sequence[Example]]) -> dict[str, Any]:
    return {
        "settings": asdict(settings),
        "shares": {split: _shares(examples) for split, examples in splits.items()},
        "ceilings": {split: upper_bounds(splits[split]) for split in ("dev", "test")},
    }


def _shares(examples: Sequence[Example]) -> dict[str, float]:
    """Give the shares that came out: open ones of all names or pairs, uninformative ones of the images of examples that have any."""
    asked = [example for example in examples if example.metadata["type"] != "none"]
    names = sum(len(gold_labels(example)) for example in asked)
    return {
        "ambiguous": round(sum(example.metadata["open"] == "yes" for example in asked) / names, 4),
        "uninformative": round(sum(example.metadata["relevant"] == "no" for example in asked) / len(asked), 4),
    }


def contrast_pairs(examples: Iterable[Example]) -> list[tuple[Example, Example]]:
    """Find examples of the same open sentence whose relevant images give it two answers; each example is in one pair at most."""
    told: dict[tuple[object, ...], list[Example]] = {}
    for example in examples:
        if example.metadata.get("open") == "yes" and example.metadata.get("relevant") == "yes":
            told.setdefault((example.words, example.head, example.tail), []).append(example)
    pairs: list[tuple[Example, Example]] = []
    paired: set[str] = set()
    for same in told.values():
        for one, other in combinations(same, 2):
            if one.metadata["type"] != other.metadata["type"] and not paired & {one.id, other.id}:
                pairs.append((one, other))
                paired |= {one.id, other.id}
    return pairs
