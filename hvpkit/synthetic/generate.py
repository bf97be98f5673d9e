"""Generate demo datasets and their upper bounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from hvpkit.data.prepared import Manifest, stage_prepared, write_records
from hvpkit.data.readers.base import DatasetSplits
from hvpkit.labels.gold import gold_labels
from hvpkit.labels.inventory import relation_labels, tag_labels
from hvpkit.synthetic.lexicon import load_lexicon
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
    """Generate a demo dataset as a prepared folder; the same settings produce the same bytes.

    The fraction of uninformative images changes neither texts, labels nor the images that stay informative. The facts
    of the manifest have the settings, the actual fractions, and the upper bounds of dev and test.

    Args:
        folder: Prepared folder to write.
        task: Task of the labels.
        size: Number of training examples.
        seed: Seed of all random choices.
        uninformative: Fraction of uninformative images.
        ambiguous: Fraction of entities or pairs whose label only the image reveals.
        test_uninformative: Fraction of uninformative images of the test split, None for `uninformative`.

    Raises:
        InputError: Codes of `SyntheticSettings`.
        DataError: Codes of `check_overwrite`, if `folder` has other data.
    """
    settings = SyntheticSettings(task, size, seed, uninformative, ambiguous, test_uninformative)
    with stage_prepared(folder, dataset_name(task)) as stage:
        dataset = generate_demo(settings, stage)
        return write_records(
            stage,
            name=dataset_name(task),
            task=task,
            labels=dataset.labels,
            splits=dataset.splits,
            images_root=dataset.images_root,
            source=dataset.source,
            facts=dataset.facts,
        )


def dataset_name(task: Task) -> str:
    """Return the name of the prepared data, which is also its default folder under `data/`."""
    return "demo" if task == "mner" else "demo-mre"


def generate_demo(settings: SyntheticSettings, folder: Path, text_only: bool = False) -> DatasetSplits:
    """Generate a dataset whose images are drawn while its examples are iterated.

    Args:
        settings: Settings of the dataset.
        folder: Folder in which images are drawn.
        text_only: Whether to generate no images.
    """
    streams = {split: TweetStream(settings, split, folder) for split in SPLITS}
    planned = {split: [tweet.example for tweet in stream.tweets] for split, stream in streams.items()}
    splits: Mapping[Split, Iterable[Example]] = streams
    if text_only:
        for split, examples in planned.items():
            planned[split] = [replace(example, image=None) for example in examples]
        splits = planned
    values = ", ".join(f"{name} {value}" for name, value in asdict(settings).items() if value is not None)
    return DatasetSplits(
        labels=tag_labels() if settings.task == "mner" else relation_labels(load_lexicon().relations),
        splits=splits,
        images_root=None if text_only else folder,
        source=f"drawn by hvpkit, {values}",
        facts=_facts(settings, planned),
    )


def _facts(settings: SyntheticSettings, splits: Mapping[Split, Sequence[Example]]) -> dict[str, Any]:
    return {
        "settings": asdict(settings),
        "shares": {split: _fractions(examples) for split, examples in splits.items()},
        "upper_bounds": {split: upper_bounds(splits[split]) for split in ("dev", "test")},
    }


def _fractions(examples: Sequence[Example]) -> dict[str, float]:
    """Compute the actual fractions of ambiguous labels and uninformative images."""
    labeled = [example for example in examples if example.metadata["type"] != "none"]
    num_labels = sum(len(gold_labels(example)) for example in labeled)
    return {
        "ambiguous": round(sum(example.metadata["ambiguous"] == "yes" for example in labeled) / num_labels, 4),
        "uninformative": round(sum(example.metadata["informative"] == "no" for example in labeled) / len(labeled), 4),
    }


def contrast_pairs(examples: Iterable[Example]) -> list[tuple[Example, Example]]:
    """Pair examples of the same ambiguous sentence whose images reveal different labels.

    Each example is in at most one pair.
    """
    by_sentence: dict[tuple[object, ...], list[Example]] = {}
    for example in examples:
        if example.metadata.get("ambiguous") == "yes" and example.metadata.get("informative") == "yes":
            by_sentence.setdefault((example.words, example.head, example.tail), []).append(example)
    pairs: list[tuple[Example, Example]] = []
    paired: set[str] = set()
    for same in by_sentence.values():
        for one, other in combinations(same, 2):
            if one.metadata["type"] != other.metadata["type"] and not paired & {one.id, other.id}:
                pairs.append((one, other))
                paired |= {one.id, other.id}
    return pairs
