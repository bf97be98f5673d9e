"""What a dataset holds, split by split: the table of `hvp preprocess` (no torch)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hvpkit.data.prepared import Manifest
from hvpkit.labels.inventory import label_kinds
from hvpkit.records.bio_repair import REPAIRED
from hvpkit.records.issues import Issue, IssueLog
from hvpkit.types import Example, Labels, Split, Task


@dataclass
class SplitStats:
    """One split: `labels` counts entities by type or pairs by relation; images and crops are counted by file, each once."""

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
    """What was prepared, from where, and what was wrong with it; `folders` are those that images were looked for in.

    `objects` are the settings that objects were found with (hvpkit/config/recipe.py: ObjectsSpec), None where they came with the data;
    `preview` is the contact sheet, if one was written.
    """

    name: str
    task: Task
    folder: Path
    source: str
    fingerprint: str
    labels: tuple[str, ...]
    text_only: bool
    splits: dict[Split, SplitStats]
    problems: list[Issue]
    folders: tuple[Path, ...] = ()
    objects: Mapping[str, Any] | None = None
    preview: Path | None = None


def count_examples(examples: Iterable[Example], labels: Labels, report: SplitStats) -> Iterator[Example]:
    """Pass examples on and count them into `report`."""
    tally = Counter({name: 0 for name in label_kinds(labels)})
    images: set[int] = set()  # hashes: a million paths would fill the memory
    for example in examples:
        report.examples += 1
        report.words += len(example.words)
        report.without_image += example.image is None
        report.objects += len(example.objects)
        report.without_object += example.image is not None and not example.objects
        images |= {hash(example.image)} if example.image else set()
        tally.update([tag[2:] for tag in example.tags or () if tag[0] == "B"] if labels.task == "mner" else [str(example.relation)])
        yield example
    report.images, report.labels = len(images), dict(tally)


def build_report(
    manifest: Manifest,
    folder: Path,
    splits: dict[Split, SplitStats],
    problems: IssueLog,
    looked_in: tuple[Path, ...] = (),
    preview: Path | None = None,
) -> DatasetReport:
    """Put the parts of a report together."""
    for split, report in splits.items():
        report.repaired_tags, report.left_out = problems.count(split, REPAIRED), problems.num_skipped(split)
    found = {split: report for split, report in splits.items() if report.examples}
    parts = (manifest.name, manifest.task, folder, manifest.source, manifest.fingerprint, manifest.labels, manifest.text_only)
    return DatasetReport(*parts, found, problems.issues(), looked_in, manifest.objects, preview)
