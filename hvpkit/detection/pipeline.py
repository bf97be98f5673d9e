"""Detection pipeline: phrases, detector and box selection, for preprocessing and prediction."""

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

MAX_SIDE = 1600  # pixels of the longer image side; no detector uses more

Detections = tuple[VisualObject, ...] | InputError
ExampleInSplit = tuple[Example, Split | None]  # None: the example belongs to no split


class DetectionPipeline:
    """A detector with its phrase extractor and box selection.

    Args:
        settings: Settings of detection; the attribute `settings` also has the version of the detector.
        detector: Detector.
        needs: Needs of the detector in the registry. "phrases": it searches for phrases (`uses_phrases`). "dataset":
            it returns the annotated objects of one dataset and none for other images (`returns_annotations`).
        batch_size: Number of images in a batch.
    """

    def __init__(self, settings: ObjectsSpec, detector: ObjectDetector, needs: frozenset[str], batch_size: int) -> None:
        self.detector, self.batch_size = detector, batch_size
        self.uses_phrases, self.returns_annotations = "phrases" in needs, "dataset" in needs
        self.settings = settings.model_copy(update={"version": detector.version})
        self._phrases = build_phrase_extractor(settings.phrases)

    @classmethod
    def open(
        cls, settings: ObjectsSpec, registry: Registry, device: str | None = None, batch_size: int | None = None
    ) -> DetectionPipeline:
        """Build the pipeline of the settings.

        Args:
            settings: Settings of detection.
            registry: The registered components.
            device: Device of the detector; None for a GPU if there is one.
            batch_size: Number of images in a batch; None for 8 with CUDA, else 2.

        Raises:
            ComponentError: The detector or one of its options is unknown or invalid.
            ModelFolderError: The weights of the detector are unavailable.
        """
        size = batch_size or (8 if torch.cuda.is_available() else 2)
        spec = settings.detector
        detector = registry.build("detector", spec.name, DetectorContext(device, size), spec.options)
        return cls(settings, detector, registry.get("detector", spec.name).needs, size)

    def phrases(self, example: Example) -> tuple[str, ...]:
        """Return the phrases to search for; none if the detector does not use phrases."""
        return tuple(self._phrases(example)) if self.uses_phrases else ()

    def detect(self, examples: Sequence[ExampleInSplit]) -> Iterator[Detections]:
        """Detect the objects of examples, in order, with at most two batches of images in memory.

        Args:
            examples: Examples with their split.

        Yields:
            The selected objects of each example, best first, or the error of its image.

        Raises:
            HvpkitError: "detector-out-of-memory" or "detector-answers-mismatch".
        """
        starts = range(0, len(examples), self.batch_size)
        batches: list[Sequence[ExampleInSplit]] = [examples[start : start + self.batch_size] for start in starts]
        # One thread decodes the next batch during detection; only one, since silencing warnings is not thread-safe.
        with ThreadPoolExecutor(1) as executor:
            pending = [executor.submit(_build_queries, self, batch) for batch in batches[:1]]
            for number in range(len(batches)):
                queries = pending.pop().result()
                pending = [executor.submit(_build_queries, self, batch) for batch in batches[number + 1 : number + 2]]
                yield from self._select(queries)

    def _select(self, queries: Sequence[DetectionQuery | InputError]) -> Iterator[Detections]:
        """Run the detector on the readable images and select boxes."""
        results = iter(self._run_detector([query for query in queries if isinstance(query, DetectionQuery)]))
        for query in queries:
            if isinstance(query, InputError):
                yield query
                continue
            result = next(results)
            yield result if isinstance(result, InputError) else select_boxes(result, query.size, self.settings)

    def _run_detector(self, queries: Sequence[DetectionQuery]) -> Sequence[Sequence[VisualObject] | InputError]:
        if not queries:
            return ()
        try:
            results = self.detector.detect(queries)
        except torch.OutOfMemoryError as error:
            raise HvpkitError("detector-out-of-memory", batch_size=self.batch_size) from error
        if len(results) != len(queries):
            detector = self.settings.detector.name
            raise HvpkitError("detector-answers-mismatch", detector=detector, found=len(results), expected=len(queries))
        return results


def _build_queries(
    pipeline: DetectionPipeline, examples: Sequence[ExampleInSplit]
) -> list[DetectionQuery | InputError]:
    return [_build_query(pipeline, example, split) for example, split in examples]


def _build_query(pipeline: DetectionPipeline, example: Example, split: Split | None) -> DetectionQuery | InputError:
    if example.image is None:
        return DataError("example-without-image", example=example.id)
    try:
        image = open_image(example.image)
    except ImageError as error:
        return error
    size = image.size
    if max(size) > MAX_SIDE:
        image.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return DetectionQuery(image, size, pipeline.phrases(example), example, split)
