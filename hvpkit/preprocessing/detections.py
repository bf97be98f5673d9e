"""Objects for a dataset that is prepared: found, remembered, kept, given to its examples (no torch until one is looked for)."""

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
from hvpkit.preprocessing.detection_request import LEAVE, DetectionRequest
from hvpkit.records.issues import IssueLog
from hvpkit.registry import Registry
from hvpkit.types import Example, Split, Task
from hvpkit.utils.progress import ProgressBar, progress

if TYPE_CHECKING:
    from hvpkit.detection.pipeline import DetectionPipeline, Found

CHUNK = 64  # examples between two looks at the journal


@dataclass(frozen=True)
class DetectionStage:
    """Finds the objects of streams of examples, and writes down what it found."""

    finder: DetectionPipeline
    journal: DetectionCache | None
    kept: DetectionFile
    sample: SheetSample
    problems: IssueLog

    def run(self, splits: Mapping[Split, Iterable[Example]]) -> dict[Split, Iterable[Example]]:
        """Give the splits with objects instead of those that were there."""
        return {split: self._split(split, examples) for split, examples in splits.items()}

    def _split(self, split: Split, examples: Iterable[Example]) -> Iterator[Example]:
        with progress(f"objects of {split}", len(examples) if isinstance(examples, Sized) else None) as bar:
            remaining = iter(examples)
            while chunk := list(islice(remaining, CHUNK)):
                for example, found in zip(chunk, self._found(chunk, split, bar), strict=True):
                    yield self._given(example, split, found)

    def _given(self, example: Example, split: Split, found: Found) -> Example:
        if isinstance(found, InputError):
            self.problems.warn(split, "detection-failed", Message("detection-failed", reason=found.message))
        objects = () if isinstance(found, InputError) else found
        done = replace(example, objects=objects)
        self.sample.see(SheetEntry(done, split, self.finder.phrases(example)))
        try:
            self.kept.keep(done, split)
        except ImageError as error:
            self.problems.warn(split, "detection-failed", Message("detection-failed", reason=error.message))
        return done

    def _found(self, chunk: Sequence[Example], split: Split, bar: ProgressBar) -> list[Found]:
        """Answer what can be told at once, and ask the finder for the rest, each question once."""
        keys = [self._key(example) for example in chunk]
        open_keys = {key: (example, split) for key, example in zip(keys, chunk, strict=True) if key and self._known(key) is None}
        answers: dict[str, Found] = {}
        bar.advance(len(chunk) - len(open_keys))
        for key, found in zip(open_keys, self.finder.detect(list(open_keys.values())), strict=True):
            answers[key] = found
            if self.journal is not None and not isinstance(found, InputError):
                self.journal.put(key, found)
            bar.advance()
        unasked = [example.objects if self.finder.knows_dataset else () for example in chunk]
        return [
            own if key is None else answers[key] if key in answers else self._known(key) or ()
            for key, own in zip(keys, unasked, strict=True)
        ]

    def _known(self, key: str) -> Found | None:
        return None if self.journal is None else self.journal.get(key)

    def _key(self, example: Example) -> str | None:
        """Name what is asked of an example; None when there is nothing to ask."""
        phrases = self.finder.phrases(example)
        if example.image is None or (self.finder.reads_phrases and not phrases):
            return None
        if self.finder.knows_dataset:
            return example.id
        try:
            return request_key(example.image, phrases)
        except OSError:
            return example.id  # the finder says what is wrong with it


# ------------------------------------------------------------------------------------------------------------ a whole dataset
@dataclass(frozen=True)
class DetectedSplits:
    """A dataset's splits with objects, the folder above all of their images, how the objects were found (None: they came with it)."""

    splits: Mapping[Split, Iterable[Example]]
    root: Path | None
    settings: ObjectsSpec | None = None
    sample: SheetSample | None = None
    journal: DetectionCache | None = None

    def write_contact_sheet(self, draft: Path, title: str) -> bool:
        """Write the contact sheet once every example has gone by, and tell whether one was asked for."""
        if self.sample is None or not self.sample.wanted:
            return False
        write_contact_sheet(draft / PREVIEW, title, describe_objects(self.settings), self.sample)
        return True

    def finish(self) -> None:
        """Let go of what a run that was stopped would need."""
        if self.journal is not None:
            self.journal.clear()


@dataclass(frozen=True)
class OutputFolders:
    """Where prepared data is written: `folder`, once it is whole; `draft` until then; what `closing` holds is closed before that."""

    folder: Path
    draft: Path
    closing: ExitStack


def attach_detections(
    dataset: DatasetSplits,
    splits: Mapping[Split, Iterable[Example]],
    request: DetectionRequest,
    registry: Registry,
    place: OutputFolders,
    problems: IssueLog,
) -> DetectedSplits:
    """Find objects as the user asks; those that come with the data stay unless a detector was named.

    Raises InputError, as ComponentError or ModelFolderError, when the detector cannot be had, before anything is looked at.
    """
    sample = SheetSample(request.preview)
    if request.detector == LEAVE or (request.detector is None and not _lacks_objects(dataset, splits)):
        return DetectedSplits(_watched(splits, sample), dataset.images_root, None, sample)
    finder = open_pipeline(request, registry, dataset.labels.task)
    journal = None if finder.knows_dataset else place.closing.enter_context(DetectionCache(place.folder, finder.settings))
    kept = place.closing.enter_context(open_detection_file(place.draft, finder.settings, request.crops))
    stage = DetectionStage(finder, journal, kept, sample, problems)
    found, root = stage.run(splits), dataset.images_root
    if finder.knows_dataset:  # its crops may lie anywhere
        found = {split: list(examples) for split, examples in found.items()}
        root = _common_root(root, (example for examples in found.values() for example in examples))
    return DetectedSplits(found, root, finder.settings, sample, journal)


def open_pipeline(request: DetectionRequest, registry: Registry, task: Task) -> DetectionPipeline:
    """Build what the user asks for, with the detector's own threshold unless there is another."""
    from hvpkit.detection.pipeline import DetectionPipeline

    finder = DetectionPipeline.open(request.settings(registry, task, 0.0), registry, request.device, request.batch_size)
    if request.threshold is None:
        finder.settings = finder.settings.model_copy(update={"threshold": finder.detector.threshold})
    return finder


def _lacks_objects(dataset: DatasetSplits, splits: Mapping[Split, Iterable[Example]]) -> bool:
    """Tell whether images were looked for, and none of the examples came with an object."""
    if dataset.search is None:  # they were made, with what objects there are
        return False
    return not any(example.objects for examples in splits.values() for example in examples)


def _watched(splits: Mapping[Split, Iterable[Example]], sample: SheetSample) -> dict[Split, Iterable[Example]]:
    return {split: _seen(split, examples, sample) for split, examples in splits.items()}


def _seen(split: Split, examples: Iterable[Example], sample: SheetSample) -> Iterator[Example]:
    for example in examples:
        sample.see(SheetEntry(example, split, ()))
        yield example


def _common_root(root: Path | None, examples: Iterable[Example]) -> Path | None:
    """Give the folder above a dataset's images and every crop file of its examples."""
    crops = {item.image.parent for example in examples for item in example.objects if item.image is not None}
    places = [os.path.abspath(place) for place in ([] if root is None else [root]) + sorted(crops)]
    return Path(os.path.commonpath(places)) if places else None
