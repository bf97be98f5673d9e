"""Prepare a dataset: find, read, check and write it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sized
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from hvpkit.data.prepared import check_same_source, stage_prepared, write_records
from hvpkit.data.readers.base import DatasetSplits, ExampleStream, ImageSearch, ReaderContext
from hvpkit.data.readers.jsonl import dataset_name
from hvpkit.errors import DataError, InputError, did_you_mean
from hvpkit.messages import Message
from hvpkit.preprocessing.contact_sheet import PREVIEW
from hvpkit.preprocessing.dataset_report import DatasetReport, SplitStats, build_report, count_examples
from hvpkit.preprocessing.detection_request import DetectionRequest
from hvpkit.preprocessing.detections import DetectedSplits, OutputFolders, attach_detections
from hvpkit.preprocessing.feature_request import FeatureRequest
from hvpkit.preprocessing.image_check import drop_images, find_unreadable
from hvpkit.records.issues import IssueLog
from hvpkit.registry import Registry, load_registry
from hvpkit.types import Example, Split
from hvpkit.utils.progress import track

DROPPED_IMAGE_CODES = ("image-not-file-name", "image-name-invalid", "image-outside-folder")  # of issues
log = logging.getLogger(__name__)

OWN = "jsonl"


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
) -> DatasetReport:
    """Prepare a dataset; if it fails, no incomplete folder is left.

    Args:
        name: Name of a dataset, or a path to JSON lines.
        root: Folder in which a named dataset is searched; None: the current folder.
        output: Folder of the prepared data; None: `data/<name>`.
        text_only: Whether to ignore images.
        options: Options of the reader.
        objects: Options of detection.
        features: Recipe whose image features are computed too; None: no features.
        registry: Components; None: all installed ones.

    Returns:
        Statistics and issues of the data.

    Raises:
        InputError: "unknown-dataset", "path-needed" or "root-with-path", "features-with-text-only", or invalid options
            of detection and features.
        DataError: There are no usable examples, `output` has other data, or there are no images ("no-image-readable",
            "no-image-found", "no-image-usable", "no-image-named") without `text_only`.
    """
    registry = registry or load_registry()
    if features is not None and text_only:
        raise InputError("features-with-text-only")
    fill_features = None if features is None else features.build(registry)
    report = _prepare(name, root, output, text_only, options or {}, objects, registry)
    return report if fill_features is None else replace(report, features=fill_features(report.folder))


def _prepare(
    name: str,
    root: Path | None,
    output: Path | None,
    text_only: bool,
    options: Mapping[str, Any],
    objects: DetectionRequest,
    registry: Registry,
) -> DatasetReport:
    reader, source, prepared_name = locate_dataset(name, root, registry)
    folder = output or Path("data") / prepared_name
    log.debug(Message("dataset-located", reader=reader, path=source, folder=folder))
    problems = IssueLog()
    if not text_only:
        objects.check(registry)
    with stage_prepared(folder, prepared_name) as stage, ExitStack() as closing:
        context = ReaderContext(source, stage, text_only, problems)
        dataset: DatasetSplits = registry.build("reader", reader, context, dict(options))
        check_same_source(folder, dataset.source)
        reports = {split: SplitStats() for split in dataset.splits}
        splits = _with_checked_images(dataset, text_only, problems, reports)
        if text_only:
            detected = DetectedSplits(splits, None)
        else:
            folders = OutputFolders(folder, stage, closing)
            detected = attach_detections(dataset, splits, objects, registry, folders, problems)
        manifest = write_records(
            stage,
            name=prepared_name,
            task=dataset.labels.task,
            labels=dataset.labels,
            splits={
                split: count_examples(examples, dataset.labels, reports[split])
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
    """Return facts that are known after all examples were written; warn of labels without training examples."""
    if "train" in reports:
        for split, report in reports.items():
            for label, count in report.labels.items():
                if count and not reports["train"].labels.get(label):
                    problems.warn(
                        split, "label-not-in-training", Message("label-not-in-training", label=label, count=count)
                    )
    return {"problems": [{"split": p.split, "kind": p.code, "count": p.count} for p in problems.issues()]}


def locate_dataset(name: str, root: Path | None, registry: Registry) -> tuple[str, Path, str]:
    """Resolve the name or path of a dataset.

    Args:
        name: Name of a dataset, or a path to JSON lines.
        root: Folder in which a named dataset is searched.
        registry: Components.

    Returns:
        The name of the reader, the path that it reads, and the name of the dataset.

    Raises:
        InputError: "unknown-dataset", "path-needed" or "root-with-path".
    """
    readers = registry.names("reader")
    if name == OWN and root is not None:
        return OWN, root, dataset_name(root)
    if name in readers and name != OWN:
        return name, root or Path(), name
    path = Path(name)
    if "/" in name or name.endswith(".jsonl") or path.exists():
        if root is not None:
            raise InputError("root-with-path", name=name)
        return OWN, path, dataset_name(path)
    if name == OWN:
        raise InputError("path-needed", name=OWN)
    raise InputError("unknown-dataset", name=name, hint=did_you_mean(name, set(readers) - {OWN}).rstrip("?"))


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
        raise DataError(_no_image_message(search, list(errors.values()), problems))
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


def _no_image_message(search: ImageSearch, errors: list[Message], problems: IssueLog) -> Message:
    """Explain why there is no image, and what to do."""
    if errors:
        return Message("no-image-readable", reason=errors[0])
    missing = sum(len(names) for names in search.missing.values())
    dropped = [issue for issue in problems.issues() if issue.code in DROPPED_IMAGE_CODES]
    num_dropped = sum(issue.count for issue in dropped)
    if num_dropped > missing:
        return Message("no-image-usable", count=num_dropped, reason=dropped[0].places[0])
    if missing:
        return Message("no-image-found", count=missing, folders=search.folders, advice=search.advice)
    return Message("no-image-named", advice=search.advice)
