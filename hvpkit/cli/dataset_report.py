"""Print the report of a prepared dataset."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from hvpkit.cli import output
from hvpkit.config.recipe import ObjectsSpec
from hvpkit.messages import Message
from hvpkit.types import SPLITS

if TYPE_CHECKING:
    from hvpkit.preprocessing.dataset_report import DatasetReport, SplitStats
    from hvpkit.preprocessing.fill_features import FeatureStats
    from hvpkit.records.issues import IssueCount

log = logging.getLogger(__name__)

COUNT_ROWS = (
    ("examples", "examples"),
    ("words", "words"),
    ("tags repaired", "repaired_tags"),
    ("examples skipped", "left_out"),
)
IMAGE_ROWS = (
    ("images found", "images"),
    ("images missing", "images_missing"),
    ("images unreadable", "images_unreadable"),
    ("examples without image", "without_image"),
    ("objects", "objects"),
    ("examples with an image and no object", "without_object"),
    ("crops missing", "crops_missing"),
    ("crops unreadable", "crops_unreadable"),
)


def show_report(report: DatasetReport) -> None:
    """Print the contents of each split, issues, the folder of the prepared data, and its features."""
    _show_data(report)
    if report.features is not None:
        _show_features(report.features)


def _show_data(report: DatasetReport) -> None:
    present = [split for split in SPLITS if split in report.splits]
    output.print_text(f"{report.name}: {report.source}")
    output.print_table(("", *present), _rows(report, [report.splits[split] for split in present]))
    show_problems(report.problems)
    absent = [split for split in SPLITS if split not in report.splits]
    if absent:
        output.print_message(Message("splits-absent", splits=absent))
    num_without = sum(split.without_object for split in report.splits.values())
    if report.objects is None and num_without and any(split.objects for split in report.splits.values()):
        output.print_message(Message("images-without-objects", count=num_without))
    if report.objects is not None:
        output.print_message(ObjectsSpec.model_validate(report.objects).describe())
    if report.preview is not None:
        output.print_message(Message("preview-written", file=report.preview))
    if report.text_only:
        return output.print_message(Message("text-prepared", fingerprint=report.fingerprint, folder=report.folder))
    return output.print_message(Message("data-prepared", fingerprint=report.fingerprint, folder=report.folder))


def show_problems(problems: Sequence[IssueCount]) -> None:
    """Print the issues of data, if there are any."""
    rows = [
        (issue.code, issue.split, issue.count, "skipped" if issue.skipped else "", "\n".join(issue.places))
        for issue in problems
    ]
    if rows:
        output.print_table(("issue", "split", "count", "example", "first locations"), rows)


def _rows(report: DatasetReport, splits: list[SplitStats]) -> Iterator[tuple[object, ...]]:
    yield from (_row(title, splits, name) for title, name in COUNT_ROWS)
    for kind in splits[0].labels:
        yield (kind, *(split.labels[kind] for split in splits))
    if not report.text_only:
        yield from (_row(title, splits, name) for title, name in IMAGE_ROWS)


def _row(title: str, splits: list[SplitStats], name: str) -> tuple[object, ...]:
    return (title, *(getattr(split, name) for split in splits))


def _show_features(report: FeatureStats) -> None:
    """Print the number of image features, their folder, and problems."""
    filled = report.filled
    if filled.damaged:
        log.warning(Message("damaged-features-recomputed", count=filled.damaged))
    if filled.unreadable:
        log.warning(Message("unreadable-regions", count=filled.unreadable, reason=filled.first_error))
    output.print_message(Message("features-computed", computed=filled.computed, kept=filled.kept, folder=report.folder))
