"""Prepare a dataset: find, read, check and write it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sized
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from hvpkit.data.prepared import check_same_source, stage_prepared, write_records
from hvpkit.data.readers.base import (
    DatasetReader,
    DatasetSplits,
    ExampleStream,
    ImageNames,
    ImageSearch,
    ReaderContext,
)
from hvpkit.errors import DataError, InputError
from hvpkit.messages import Message
from hvpkit.preprocessing.contact_sheet import PREVIEW
from hvpkit.preprocessing.dataset_report import DatasetReport, SplitStats, build_report, count_examples
from hvpkit.preprocessing.detection_request import DetectionRequest
from hvpkit.preprocessing.detections import DetectedSplits, OutputFolders, attach_detections
from hvpkit.preprocessing.feature_request import FeatureRequest
from hvpkit.preprocessing.formats import locate_dataset
from hvpkit.preprocessing.image_check import drop_images, find_unreadable
from hvpkit.preprocessing.random_split import SplitRequest, divide_training_examples
from hvpkit.preprocessing.repeated_examples import RepeatedExamples
from hvpkit.records.issues import IssueLog
from hvpkit.registry import Registry, load_registry
from hvpkit.types import Example, Split
from hvpkit.utils.progress import track

log = logging.getLogger(__name__)


def preprocess(
    name: str,
    *,
    root: Path | None = None,
    output: Path | None = None,
    text_only: bool = False,
    options: Mapping[str, Any] | None = None,
    objects: DetectionRequest = DetectionRequest(),  # noqa: B008 - frozen
    features: FeatureRequest | None = None,
    registry: Registry | None = None,
    format_name: str | None = None,
    images: ImageNames = ImageNames(),  # noqa: B008 - frozen
    split: SplitRequest | None = None,
) -> DatasetReport:
    """Prepare a dataset; if it fails, no incomplete folder is left.

    Args:
        name: Name of a dataset, or a path.
        root: Folder in which a named dataset is searched; None: the current folder.
        output: Folder of the prepared data; None: `data/<name>`.
        text_only: Whether to ignore images.
        options: Options of the reader.
        objects: Options of detection.
        features: Recipe whose image features are computed too; None: no features.
        registry: Components; None: all installed ones.
        format_name: Format of a path; None: it is recognized.
        images: Where the images of a path are.
        split: How to divide the training examples if there is no dev or test split; None: not at all.

    Returns:
        Statistics and issues of the data.

    Raises:
        InputError: Codes of `locate_dataset` and `divide_training_examples`, "features-with-text-only", or invalid
            options of detection and features.
        DataError: There are no usable examples, `output` has other data, or there are no images ("no-image-readable",
            "no-image-found", "images-outside-folders", "images-are-urls", "images-refused", "no-image-named") without
            `text_only`.
    """
    registry = registry or load_registry()
    if features is not None and text_only:
        raise InputError("features-with-text-only")
    fill_features = None if features is None else features.build(registry)
    located = locate_dataset(name, root, registry, format_name)
    folder = output or Path("data") / located.name
    if located.is_recognized:
        log.info(Message("format-recognized", path=located.path, format=located.reader))
    log.debug(Message("dataset-located", reader=located.reader, path=located.path, folder=folder))

    def read(stage: Path, problems: IssueLog) -> DatasetSplits:
        context = ReaderContext(located.path, stage, text_only, problems, images)
        reader: DatasetReader = registry.build("reader", located.reader, context, dict(options or {}))
        dataset = reader.read()
        check_same_source(folder, dataset.source)
        return dataset if split is None else divide_training_examples(dataset, split)

    report = _prepare(read, folder, located.name, text_only, objects, registry)
    return report if fill_features is None else replace(report, features=fill_features(report.folder))


def _prepare(
    read: Callable[[Path, IssueLog], DatasetSplits],
    folder: Path,
    prepared_name: str,
    text_only: bool,
    objects: DetectionRequest,
    registry: Registry,
) -> DatasetReport:
    problems = IssueLog()
    if not text_only:
        objects.check(registry)
    with stage_prepared(folder, prepared_name) as stage, ExitStack() as closing:
        dataset = read(stage, problems)
        reports = {split: SplitStats() for split in dataset.splits}
        splits = _with_checked_images(dataset, text_only, problems, reports)
        if text_only:
            detected = DetectedSplits(splits, None)
        else:
            folders = OutputFolders(folder, stage, closing)
            detected = attach_detections(dataset, splits, objects, registry, folders, problems)
        repeated = RepeatedExamples(problems)
        manifest = write_records(
            stage,
            name=prepared_name,
            task=dataset.labels.task,
            labels=dataset.labels,
            splits={
                split: count_examples(repeated.count(split, examples), dataset.labels, reports[split])
                for split, examples in detected.splits.items()
            },
            images_root=detected.root,
            source=dataset.source,
            facts=lambda: {**_facts(problems, reports), **dataset.facts},
            text_only=text_only,
            objects=None if detected.settings is None else detected.settings.to_dict(),
        )
        preview = folder / PREVIEW if detected.write_contact_sheet(stage, prepared_name) else None
    detected.finish()
    image_folders = dataset.search.folders if dataset.search else ()
    return build_report(manifest, folder, reports, problems, image_folders, preview)


def _facts(problems: IssueLog, reports: Mapping[Split, SplitStats]) -> dict[str, Any]:
    """Return facts that are known after all examples were written; warn of splits and labels that cannot be scored."""
    for split, report in reports.items():
        if report.examples and not any(count for label, count in report.labels.items() if label != "None"):
            problems.warn(split, "split-without-labels", Message("split-without-labels", split=split))
    if "train" in reports:
        for split, report in reports.items():
            for label, count in report.labels.items():
                if count and not reports["train"].labels.get(label):
                    problems.warn(
                        split, "label-not-in-training", Message("label-not-in-training", label=label, count=count)
                    )
    return {"problems": [{"split": p.split, "kind": p.code, "count": p.count} for p in problems.issues()]}


def _with_checked_images(
    dataset: DatasetSplits, text_only: bool, problems: IssueLog, reports: Mapping[Split, SplitStats]
) -> Mapping[Split, Iterable[Example]]:
    if text_only:
        return {
            split: (replace(e, image=None, objects=()) for e in examples) for split, examples in dataset.splits.items()
        }
    if dataset.search is None:
        return {split: track(examples, split) for split, examples in dataset.splits.items()}
    return _check_images(dataset, dataset.search, problems, reports)


def _check_images(
    dataset: DatasetSplits, search: ImageSearch, problems: IssueLog, reports: Mapping[Split, SplitStats]
) -> dict[Split, ExampleStream]:
    """Drop images that cannot be decoded, count them and the missing; raises DataError when no image is left."""
    splits = {
        split: examples if isinstance(examples, Sized) else list(examples) for split, examples in dataset.splits.items()
    }
    errors = find_unreadable(track(chain.from_iterable(splits.values()), "images", sum(map(len, splits.values()))))
    for split, examples in splits.items():
        bad, bad_crops = map(sorted, _unreadable_files(examples, errors))
        missing, missing_crops = search.missing.get(split, ()), search.missing_crops.get(split, ())
        _warn_all(problems, split, "image-missing", missing)
        _warn_all(
            problems, split, "image-unreadable", (Message("image-unreadable", reason=errors[path]) for path in bad)
        )
        _warn_all(problems, split, "crop-missing", (Message("crop-missing", crop=crop) for crop in missing_crops))
        _warn_all(
            problems, split, "crop-unreadable", (Message("crop-unreadable", reason=errors[path]) for path in bad_crops)
        )
        report = reports[split]
        report.images_missing, report.images_unreadable = len(missing), len(bad)
        report.crops_missing, report.crops_unreadable = len(missing_crops), len(bad_crops)
    kept = {
        split: ExampleStream(len(examples), partial(drop_images, examples, errors))
        for split, examples in splits.items()
    }
    if not any(example.image for examples in kept.values() for example in examples):
        raise DataError(_no_image_message(search, list(errors.values())))
    return kept


def _unreadable_files(examples: Iterable[Example], errors: Mapping[Path, Message]) -> tuple[set[Path], set[Path]]:
    """Return the unreadable images of examples, and the unreadable crops."""
    bad, bad_crops = set[Path](), set[Path]()
    for example in examples if errors else ():
        bad |= errors.keys() & {example.image}
        bad_crops |= errors.keys() & {item.image for item in example.objects}
    return bad, bad_crops


def _warn_all(problems: IssueLog, split: Split, code: str, messages: Iterable[str]) -> None:
    for message in messages:
        problems.warn(split, code, message)


def _no_image_message(search: ImageSearch, errors: list[Message]) -> Message:
    """Explain why there is no image, and what to do."""
    if errors:
        return Message("no-image-readable", reason=errors[0])
    missing = sum(len(names) for names in search.missing.values())
    if search.refused and sum(count for count, _ in search.refused.values()) > missing:
        code, (count, first) = max(search.refused.items(), key=lambda item: item[1][0])
        if code == "image-outside-folder":
            return Message("images-outside-folders", count=count, folders=search.folders)
        if code == "image-is-url":
            return Message("images-are-urls", count=count, url=first.fields["url"])
        return Message("images-refused", count=count, reason=first)
    if missing:
        return Message("no-image-found", count=missing, folders=search.folders, advice=search.advice)
    return Message("no-image-named", advice=search.advice)
