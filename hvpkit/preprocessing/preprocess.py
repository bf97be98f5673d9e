"""From whatever lies on disk to prepared data: find, read, check, write (no torch)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from hvpkit.data.prepared import atomic_directory, check_same_source, write_records
from hvpkit.data.readers.base import DatasetSplits, ExampleStream, ImageSearch, ReaderContext
from hvpkit.data.readers.jsonl import dataset_name
from hvpkit.errors import DataError, InputError, did_you_mean
from hvpkit.messages import Message
from hvpkit.preprocessing.contact_sheet import PREVIEW
from hvpkit.preprocessing.dataset_report import DatasetReport, SplitStats, build_report, count_examples
from hvpkit.preprocessing.detection_request import DetectionRequest
from hvpkit.preprocessing.detections import DetectedSplits, OutputFolders, attach_detections
from hvpkit.preprocessing.image_check import drop_images, find_unreadable
from hvpkit.records.issues import IssueLog
from hvpkit.registry import Registry, load_registry
from hvpkit.types import Example, Split
from hvpkit.utils.progress import track

OWN = "jsonl"


def preprocess(
    name: str,
    *,
    root: Path | None = None,
    output: Path | None = None,
    text_only: bool = False,
    options: Mapping[str, Any] | None = None,
    objects: DetectionRequest = DetectionRequest(),  # noqa: B008 - frozen
    registry: Registry | None = None,
) -> DatasetReport:
    """Prepare a dataset by its name, looked for under `root` (the current folder), or the JSON lines at a path; report what was found.

    `output` is `data/<name>` unless given; `options` are the reader's own; `objects` says how to find objects in images.
    Raises InputError for a name that is neither, DataError when nothing can be used, when `output` holds other data or, unless
    `text_only`, when there is not one image.
    Whatever goes wrong, no half folder stays.
    """
    registry = registry or load_registry()
    reader, place, called = locate_dataset(name, root, registry)
    folder = output or Path("data") / called
    problems = IssueLog()
    if not text_only:
        objects.check(registry)
    with atomic_directory(folder, called) as stage, ExitStack() as closing:
        context = ReaderContext(place, stage, text_only, problems)
        dataset: DatasetSplits = registry.build("reader", reader, context, dict(options or {}))
        check_same_source(folder, dataset.source)
        reports = {split: SplitStats() for split in dataset.splits}
        imaged = _imaged(dataset, text_only, problems, reports)
        writing = OutputFolders(folder, stage, closing)
        found = DetectedSplits(imaged, None) if text_only else attach_detections(dataset, imaged, objects, registry, writing, problems)
        manifest = write_records(
            stage,
            name=called,
            task=dataset.labels.task,
            labels=dataset.labels,
            splits={split: count_examples(examples, dataset.labels, reports[split]) for split, examples in found.splits.items()},
            images_root=found.root,
            source=dataset.source,
            facts=lambda: {**_facts(problems, reports), **dataset.facts},
            text_only=text_only,
            objects=None if found.settings is None else found.settings.to_dict(),
        )
        preview = folder / PREVIEW if found.write_contact_sheet(stage, called) else None
    found.finish()
    return build_report(manifest, folder, reports, problems, dataset.search.folders if dataset.search else (), preview)


def _facts(problems: IssueLog, reports: Mapping[Split, SplitStats]) -> dict[str, Any]:
    """Give what is known once every example has gone by; a label that no training example has is noted then."""
    if "train" in reports:
        for split, report in reports.items():
            for label, count in report.labels.items():
                if count and not reports["train"].labels.get(label):
                    problems.warn(split, "label-not-in-training", Message("label-not-in-training", label=label, count=count))
    return {"problems": [{"split": p.split, "kind": p.code, "count": p.count} for p in problems.issues()]}


def locate_dataset(name: str, root: Path | None, registry: Registry) -> tuple[str, Path, str]:
    """Give the reader, the place it reads, and what the dataset is called; raises InputError for what is neither a name nor a path."""
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


# ----------------------------------------------------------------------------------------------------------------- images
def _imaged(
    dataset: DatasetSplits, text_only: bool, problems: IssueLog, reports: Mapping[Split, SplitStats]
) -> Mapping[Split, Iterable[Example]]:
    if text_only:
        return {split: (replace(e, image=None, objects=()) for e in examples) for split, examples in dataset.splits.items()}
    if dataset.search is None:
        return {split: track(examples, split) for split, examples in dataset.splits.items()}
    return _checked(dataset, dataset.search, problems, reports)


def _checked(
    dataset: DatasetSplits, search: ImageSearch, problems: IssueLog, reports: Mapping[Split, SplitStats]
) -> dict[Split, ExampleStream]:
    """Try every image, take away those that cannot be decoded, count them and the missing; raises DataError when none is left."""
    splits = {split: examples if isinstance(examples, Sized) else list(examples) for split, examples in dataset.splits.items()}
    faults = find_unreadable(track(chain.from_iterable(splits.values()), "images", sum(map(len, splits.values()))))
    for split, examples in splits.items():
        bad, bad_crops = (sorted(found) for found in _with_faults(examples, faults))
        missing, missing_crops = search.missing.get(split, ()), search.missing_crops.get(split, ())
        _note(problems, split, "image-missing", missing)
        _note(problems, split, "image-unreadable", (Message("image-unreadable", reason=faults[path]) for path in bad))
        _note(problems, split, "crop-missing", (Message("crop-missing", crop=crop) for crop in missing_crops))
        _note(problems, split, "crop-unreadable", (Message("crop-unreadable", reason=faults[path]) for path in bad_crops))
        report = reports[split]
        report.images_missing, report.images_unreadable = len(missing), len(bad)
        report.crops_missing, report.crops_unreadable = len(missing_crops), len(bad_crops)
    kept = {split: ExampleStream(len(examples), partial(drop_images, examples, faults)) for split, examples in splits.items()}
    if not any(example.image for examples in kept.values() for example in examples):
        raise DataError(_none(search, list(faults.values())))
    return kept


def _with_faults(examples: Iterable[Example], faults: Mapping[Path, Message]) -> tuple[set[Path], set[Path]]:
    """Give the images of examples that have faults, and the crops."""
    bad, bad_crops = set[Path](), set[Path]()
    for example in examples if faults else ():
        bad |= {example.image} & faults.keys() if example.image else set()
        bad_crops |= {thing.image for thing in example.objects if thing.image} & faults.keys()
    return bad, bad_crops


def _note(problems: IssueLog, split: Split, kind: str, places: Iterable[str]) -> None:
    for place in places:
        problems.warn(split, kind, place)


def _none(search: ImageSearch, faults: list[Message]) -> Message:
    """Say why there is not one image, and what to do."""
    if faults:
        return Message("no-image-readable", reason=faults[0])
    if missing := sum(len(names) for names in search.missing.values()):
        return Message("no-image-found", count=missing, folders=search.folders, advice=search.advice)
    return Message("no-image-named", advice=search.advice)
