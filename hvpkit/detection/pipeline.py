"""Objects of examples, found as settings say: the one path that preparing data and predicting share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from PIL import Image

from hvpkit.config.recipe import ObjectsSpec
from hvpkit.detection.nms import select_boxes
from hvpkit.detection.phrases import build_phrase_extractor
from hvpkit.errors import DataError, HvpkitError, ImageError, InputError
from hvpkit.images.decode import open_image
from hvpkit.interfaces import DetectionQuery, DetectorContext, ObjectDetector
from hvpkit.registry import Registry
from hvpkit.types import Example, Split, VisualObject

LONGEST = 1600  # pixels of the longer side that detectors see: more than any of them keeps

Found = tuple[VisualObject, ...] | InputError
Wanted = tuple[Example, Split | None]  # None: it is of no split


class DetectionPipeline:
    """A detector with the settings it is used by; `settings` name its version.

    `reads_phrases`: it looks for phrases; `knows_dataset`: it knows the objects of one dataset, and finds none in other images.
    """

    def __init__(self, settings: ObjectsSpec, detector: ObjectDetector, needs: frozenset[str], batch_size: int) -> None:
        self.detector, self.batch_size = detector, batch_size
        self.reads_phrases, self.knows_dataset = "phrases" in needs, "dataset" in needs
        self.settings = settings.model_copy(update={"version": detector.version})
        self._phrases = build_phrase_extractor(settings.phrases)

    @classmethod
    def open(cls, settings: ObjectsSpec, registry: Registry, device: str | None = None, batch_size: int | None = None) -> DetectionPipeline:
        """Build the detector that the settings name; raises ComponentError or ModelFolderError when it cannot be had."""
        size = batch_size or (8 if torch.cuda.is_available() else 2)
        part = settings.detector
        detector = registry.build("detector", part.name, DetectorContext(device, size), part.options)
        return cls(settings, detector, registry.get("detector", part.name).needs, size)

    def phrases(self, example: Example) -> tuple[str, ...]:
        """Give what is looked for in an example's image; nothing for a detector that reads no phrases."""
        return tuple(self._phrases(example)) if self.reads_phrases else ()

    def detect(self, wanted: Sequence[Wanted]) -> Iterator[Found]:
        """Give each example's objects, best first, or what is wrong with its image; in order, with two batches of images in memory."""
        batches: list[Sequence[Wanted]] = [wanted[start : start + self.batch_size] for start in range(0, len(wanted), self.batch_size)]
        with ThreadPoolExecutor(1) as readers:  # decodes while the detector works; Pillow's warnings are silenced for one thread at a time
            coming = [readers.submit(_queries, self, batch) for batch in batches[:1]]
            for number in range(len(batches)):
                queries = coming.pop().result()
                coming = [readers.submit(_queries, self, batch) for batch in batches[number + 1 : number + 2]]
                yield from self._answers(queries)

    def _answers(self, queries: Sequence[DetectionQuery | InputError]) -> Iterator[Found]:
        sound = [query for query in queries if isinstance(query, DetectionQuery)]
        answers = iter(self._propose(sound))
        for query in queries:
            if isinstance(query, InputError):
                yield query
                continue
            answer = next(answers)
            yield answer if isinstance(answer, InputError) else select_boxes(answer, query.size, self.settings)

    def _propose(self, queries: Sequence[DetectionQuery]) -> Sequence[Sequence[VisualObject] | InputError]:
        if not queries:
            return ()
        try:
            answers = self.detector.detect(queries)
        except torch.OutOfMemoryError as error:
            raise HvpkitError("detector-out-of-memory", batch_size=self.batch_size) from error
        if len(answers) != len(queries):
            detector = self.settings.detector.name
            raise HvpkitError("detector-answers-mismatch", detector=detector, found=len(answers), expected=len(queries))
        return answers


def _queries(finder: DetectionPipeline, wanted: Sequence[Wanted]) -> list[DetectionQuery | InputError]:
    return [_query(finder, item) for item in wanted]


def _query(finder: DetectionPipeline, wanted: Wanted) -> DetectionQuery | InputError:
    example, split = wanted
    if example.image is None:
        return DataError("example-without-image", example=example.id)
    try:
        image = open_image(example.image)
    except ImageError as error:
        return error
    size = image.size
    if max(size) > LONGEST:
        image.thumbnail((LONGEST, LONGEST), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return DetectionQuery(image, size, finder.phrases(example), example, split)
