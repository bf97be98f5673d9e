"""Statistics of a prepared dataset by split, as `hvp preprocess` prints them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hvpkit.data.prepared import Manifest
from hvpkit.labels.inventory import label_kinds
from hvpkit.records.bio_repair import REPAIRED
from hvpkit.records.issues import IssueCount, IssueLog
from hvpkit.types import Example, Labels, Split, Task

if TYPE_CHECKING:
    from hvpkit.preprocessing.fill_features import FeatureStats


@dataclass
class SplitStats:
    """Statistics of one split; images and crops are counted by distinct file.

    Attributes:
        examples: Number of examples.
        words: Number of words.
        labels: Number of entities by type, or of pairs by relation.
        without_image: Number of examples without an image.
        images: Number of images.
        images_missing: Number of images whose file does not exist.
        images_unreadable: Number of images that cannot be decoded.
        objects: Number of objects.
        without_object: Number of examples with an image and without an object.
        crops_missing: Number of crops whose file does not exist.
        crops_unreadable: Number of crops that cannot be decoded.
        repaired_tags: Number of BIO tags that were repaired.
        left_out: Number of skipped examples.
    """

    examples: int = 0
    words: int = 0
    labels: dict[str, int] = field(default_factory=dict)
    without_image: int = 0
    images: int = 0
    images_missing: int = 0
    images_unreadable: int = 0
    objects: int = 0
    without_object: int = 0
    crops_missing: int = 0
    crops_unreadable: int = 0
    repaired_tags: int = 0
    left_out: int = 0


@dataclass(frozen=True)
class DatasetReport:
    """Summary of a prepared dataset.

    Attributes:
        name: Name of the dataset.
        task: Task of the dataset.
        folder: Folder of the prepared data.
        source: Where the data came from.
        fingerprint: Hash of the examples.
        labels: Types or relations.
        text_only: Whether images were ignored.
        splits: Statistics of the splits that have examples.
        problems: Issues of the data.
        folders: Folders that were searched for images.
        objects: Settings of detection (hvpkit/config/recipe.py: ObjectsSpec); None if the objects came with the data.
        preview: Contact sheet, if one was written.
        features: Image features, if they were computed.
    """

    name: str
    task: Task
    folder: Path
    source: str
    fingerprint: str
    labels: tuple[str, ...]
    text_only: bool
    splits: dict[Split, SplitStats]
    problems: list[IssueCount]
    folders: tuple[Path, ...] = ()
    objects: Mapping[str, Any] | None = None
    preview: Path | None = None
    features: FeatureStats | None = None


def count_examples(examples: Iterable[Example], labels: Labels, stats: SplitStats) -> Iterator[Example]:
    """Yield examples and count them.

    Args:
        examples: Examples of one split.
        labels: Labels of the dataset.
        stats: Statistics of the split; complete when the iteration ends.
    """
    tally = Counter({name: 0 for name in label_kinds(labels)})
    images: set[int] = set()  # hashes of paths, to save memory
    for example in examples:
        stats.examples += 1
        stats.words += len(example.words)
        stats.without_image += example.image is None
        stats.objects += len(example.objects)
        stats.without_object += example.image is not None and not example.objects
        images |= {hash(example.image)} if example.image else set()
        if labels.task == "mner":
            tally.update(tag[2:] for tag in example.tags or () if tag[0] == "B")
        else:
            tally[str(example.relation)] += 1
        yield example
    stats.images, stats.labels = len(images), dict(tally)


def build_report(
    manifest: Manifest,
    folder: Path,
    splits: dict[Split, SplitStats],
    problems: IssueLog,
    image_folders: tuple[Path, ...] = (),
    preview: Path | None = None,
) -> DatasetReport:
    """Build the report of a prepared dataset.

    Args:
        manifest: Manifest of the prepared data.
        folder: Folder of the prepared data.
        splits: Statistics by split; the numbers of repaired tags and skipped examples are filled in.
        problems: Issues of the data.
        image_folders: Folders that were searched for images.
        preview: Contact sheet, if one was written.
        features: Image features, if they were computed.
    """
    for split, stats in splits.items():
        stats.repaired_tags, stats.left_out = problems.count(split, REPAIRED), problems.num_skipped(split)
    return DatasetReport(
        name=manifest.name,
        task=manifest.task,
        folder=folder,
        source=manifest.source,
        fingerprint=manifest.fingerprint,
        labels=manifest.labels,
        text_only=manifest.text_only,
        splits={split: stats for split, stats in splits.items() if stats.examples},
        problems=problems.issues(),
        folders=image_folders,
        objects=manifest.objects,
        preview=preview,
    )
