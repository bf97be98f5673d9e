"""Object detection for a dataset in preprocessing: detect, cache, write, and attach to examples."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from hvpkit.config.recipe import ObjectsSpec, describe_objects
from hvpkit.data.readers.base import DatasetSplits
from hvpkit.errors import ImageError, InputError
from hvpkit.messages import Message
from hvpkit.preprocessing.contact_sheet import PREVIEW, SheetEntry, SheetSample, write_contact_sheet
from hvpkit.preprocessing.detection_cache import DetectionCache, request_key
from hvpkit.preprocessing.detection_files import DetectionFile, open_detection_file
from hvpkit.preprocessing.detection_request import NO_DETECTOR, DetectionRequest
from hvpkit.records.issues import IssueLog
from hvpkit.registry import Registry
from hvpkit.types import Example, Split, Task
from hvpkit.utils.progress import ProgressBar, progress

if TYPE_CHECKING:
    from hvpkit.detection.pipeline import DetectionPipeline, Detections

CHUNK_SIZE = 64  # examples whose cache keys are looked up at once


@dataclass(frozen=True)
class DetectionStage:
    """Detect the objects of streams of examples and write them to files.

    Attributes:
        pipeline: Detection pipeline.
        cache: Resume cache; None for a detector that returns annotations.
        detection_file: objects.jsonl and crops.
        sample: Sample for the contact sheet.
        issues: Receives the errors of detection.
    """

    pipeline: DetectionPipeline
    cache: DetectionCache | None
    detection_file: DetectionFile
    sample: SheetSample
    issues: IssueLog

    def run(self, splits: Mapping[Split, Iterable[Example]]) -> dict[Split, Iterable[Example]]:
        """Return lazy splits whose examples have the detected objects."""
        return {split: self._run_split(split, examples) for split, examples in splits.items()}

    def _run_split(self, split: Split, examples: Iterable[Example]) -> Iterator[Example]:
        with progress(f"objects of {split}", len(examples) if isinstance(examples, Sized) else None) as bar:
            remaining = iter(examples)
            while chunk := list(islice(remaining, CHUNK_SIZE)):
                for example, detections in zip(chunk, self._detect(chunk, split, bar), strict=True):
                    yield self._attach(example, split, detections)

    def _attach(self, example: Example, split: Split, detections: Detections) -> Example:
        if isinstance(detections, InputError):
            self._warn(split, detections)
        updated = replace(example, objects=() if isinstance(detections, InputError) else detections)
        self.sample.add(SheetEntry(updated, split, self.pipeline.phrases(example)))
        try:
            self.detection_file.write(updated, split)
        except ImageError as error:
            self._warn(split, error)
        return updated

    def _warn(self, split: Split, error: InputError) -> None:
        self.issues.warn(split, "detection-failed", Message("detection-failed", reason=error.message))

    def _detect(self, chunk: Sequence[Example], split: Split, bar: ProgressBar) -> list[Detections]:
        """Return the detections of a chunk, from the cache where possible; duplicate requests are run once."""
        keys = [self._key(example) for example in chunk]
        missing = {
            key: (example, split) for key, example in zip(keys, chunk, strict=True) if key and self._cached(key) is None
        }
        computed: dict[str, Detections] = {}
        bar.advance(len(chunk) - len(missing))
        for key, detections in zip(missing, self.pipeline.detect(list(missing.values())), strict=True):
            computed[key] = detections
            if self.cache is not None and not isinstance(detections, InputError):
                self.cache.put(key, detections)
            bar.advance()
        return [self._result(key, example, computed) for key, example in zip(keys, chunk, strict=True)]

    def _result(self, key: str | None, example: Example, computed: Mapping[str, Detections]) -> Detections:
        if key is None:
            return example.objects if self.pipeline.returns_annotations else ()
        return computed[key] if key in computed else self._cached(key) or ()

    def _cached(self, key: str) -> Detections | None:
        return None if self.cache is None else self.cache.get(key)

    def _key(self, example: Example) -> str | None:
        """Return the cache key of an example; None if there is nothing to detect."""
        phrases = self.pipeline.phrases(example)
        if not isinstance(example.image, Path) or (self.pipeline.uses_phrases and not phrases):
            return None
        if self.pipeline.returns_annotations:
            return example.id
        try:
            return request_key(example.image, phrases)
        except OSError:
            return example.id  # the pipeline reports the error of the image


@dataclass(frozen=True)
class DetectedSplits:
    """Splits of a dataset with their objects.

    Attributes:
        splits: Examples by split.
        root: Common folder of all images and crops.
        settings: Settings of detection; None if the objects came with the dataset.
        sample: Sample for the contact sheet.
        cache: Resume cache.
    """

    splits: Mapping[Split, Iterable[Example]]
    root: Path | None
    settings: ObjectsSpec | None = None
    sample: SheetSample | None = None
    cache: DetectionCache | None = None

    def write_contact_sheet(self, stage: Path, title: str) -> bool:
        """Write the contact sheet; to be called after the iteration over all examples.

        Returns:
            Whether a contact sheet was requested.
        """
        if self.sample is None or not self.sample.is_requested:
            return False
        write_contact_sheet(stage / PREVIEW, title, describe_objects(self.settings), self.sample)
        return True

    def finish(self) -> None:
        """Delete the resume cache."""
        if self.cache is not None:
            self.cache.clear()


@dataclass(frozen=True)
class OutputFolders:
    """Where prepared data is written.

    Attributes:
        folder: Final folder.
        stage: Folder of incomplete data, renamed to `folder` at the end.
        exit_stack: Exit stack of files to close before the folder is renamed.
    """

    folder: Path
    stage: Path
    exit_stack: ExitStack


def attach_detections(
    dataset: DatasetSplits,
    splits: Mapping[Split, Iterable[Example]],
    request: DetectionRequest,
    registry: Registry,
    output: OutputFolders,
    issues: IssueLog,
) -> DetectedSplits:
    """Attach detected objects to examples; objects of the dataset are kept unless a detector was named.

    Args:
        dataset: Dataset.
        splits: Its examples with checked images.
        request: Options of the user.
        registry: The registered components.
        output: Where files are written.
        issues: Receives the errors of detection.

    Raises:
        InputError: The options do not fit the task (also as ComponentError), or the weights of the detector are
            unavailable (ModelFolderError). Raised before images are read.
    """
    sample = SheetSample(request.preview)
    if request.detector == NO_DETECTOR or (request.detector is None and not _lacks_objects(dataset, splits)):
        sampled = {split: _with_sample(split, examples, sample) for split, examples in splits.items()}
        return DetectedSplits(sampled, dataset.images_root, None, sample)
    pipeline = open_pipeline(request, registry, dataset.labels.task)
    settings, exit_stack = pipeline.settings, output.exit_stack
    cache = None if pipeline.returns_annotations else exit_stack.enter_context(DetectionCache(output.folder, settings))
    detection_file = exit_stack.enter_context(open_detection_file(output.stage, settings, request.crops))
    detection = DetectionStage(pipeline, cache, detection_file, sample, issues)
    detected, root = detection.run(splits), dataset.images_root
    if pipeline.returns_annotations:  # crops may be in any folder
        detected = {split: list(examples) for split, examples in detected.items()}
        root = _common_root(root, (example for examples in detected.values() for example in examples))
    return DetectedSplits(detected, root, settings, sample, cache)


def open_pipeline(request: DetectionRequest, registry: Registry, task: Task) -> DetectionPipeline:
    """Build the requested pipeline, with the default threshold of the detector unless the request has one.

    Args:
        request: Options of the user.
        registry: The registered components.
        task: Task of the dataset.

    Raises:
        InputError: The options do not fit the task (also as ComponentError), or the weights of the detector are
            unavailable (ModelFolderError).
    """
    from hvpkit.detection.pipeline import DetectionPipeline

    settings = request.settings(registry, task, 0.0)
    pipeline = DetectionPipeline.open(settings, registry, request.device, request.batch_size)
    if request.threshold is None:
        pipeline.settings = pipeline.settings.model_copy(update={"threshold": pipeline.detector.threshold})
    return pipeline


def _lacks_objects(dataset: DatasetSplits, splits: Mapping[Split, Iterable[Example]]) -> bool:
    """Check whether the dataset has images and none of its examples has an object."""
    if dataset.search is None:  # generated data has its own objects
        return False
    return not any(example.objects for examples in splits.values() for example in examples)


def _with_sample(split: Split, examples: Iterable[Example], sample: SheetSample) -> Iterator[Example]:
    for example in examples:
        sample.add(SheetEntry(example, split, ()))
        yield example


def _common_root(root: Path | None, examples: Iterable[Example]) -> Path | None:
    """Return the common folder of the images and crops of examples."""
    crops = {item.image.parent for example in examples for item in example.objects if isinstance(item.image, Path)}
    folders = [os.path.abspath(folder) for folder in ([] if root is None else [root]) + sorted(crops)]
    return Path(os.path.commonpath(folders)) if folders else None
