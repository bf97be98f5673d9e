"""Detect the objects of prediction inputs with the detection settings of the model's training data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from hvpkit.config.recipe import ObjectsSpec
from hvpkit.detection.pipeline import DetectionPipeline, Detections
from hvpkit.errors import InputError, ModelFolderError
from hvpkit.inference.inputs import ParsedInput
from hvpkit.messages import Message
from hvpkit.saving.model_folder import ModelFolder

InputOrError = ParsedInput | InputError


class ObjectAttacher:
    """Attach detected objects to inputs without given objects; the detector is built when it is first needed.

    Args:
        folder: Model folder.
        device: Device of the detector; None: a GPU if available.
    """

    def __init__(self, folder: ModelFolder, device: str | None = None) -> None:
        self._folder, self._device = folder, device
        self._pipeline: DetectionPipeline | None = None

    def attach(self, inputs: Sequence[InputOrError]) -> list[InputOrError]:
        """Detect the objects of the inputs that lack them.

        Args:
            inputs: Parsed inputs; errors are passed on.

        Returns:
            The inputs in order, with objects, or the error of an image that cannot be decoded.

        Raises:
            ModelFolderError: "model-detector-unavailable" if the detector cannot be built.
        """
        settings = self._folder.recipe.data.objects
        results = list(inputs)
        missing = {
            i: item for i, item in enumerate(results) if isinstance(item, ParsedInput) and self._lacks_objects(item)
        }
        # Imported models have no "with_objects": whether they were trained with objects is unknown.
        trained_without = self._folder.metrics.get("training", {}).get("with_objects") == 0
        if not missing or (settings is None and trained_without):
            return results
        if settings is None or "dataset" in self._folder.registry.get("detector", settings.detector.name).needs:
            completed: Iterable[InputOrError] = map(_with_objects_note, missing.values())
        else:
            completed = self._detect(list(missing.values()), self._open_pipeline(settings))
        for i, item in zip(missing, completed, strict=True):
            results[i] = item
        return results

    def _lacks_objects(self, parsed: ParsedInput) -> bool:
        return not parsed.has_known_objects and parsed.example.image is not None and self._folder.recipe.uses_objects

    def _open_pipeline(self, settings: ObjectsSpec) -> DetectionPipeline:
        if self._pipeline is None:
            try:
                self._pipeline = DetectionPipeline.open(settings, self._folder.registry, self._device)
            except InputError as error:
                detector = settings.detector.name
                raise ModelFolderError("model-detector-unavailable", detector=detector, reason=error.message) from error
        return self._pipeline

    def _detect(self, inputs: Sequence[ParsedInput], pipeline: DetectionPipeline) -> Iterator[InputOrError]:
        """Detect once for each image with the same phrases: several pairs may have the same image."""
        requests = [(parsed.example.image, pipeline.phrases(parsed.example)) for parsed in inputs]
        unique = {request: parsed.example for request, parsed in zip(requests, inputs, strict=True)}
        results = pipeline.detect([(example, None) for example in unique.values()])
        detections = dict(zip(unique, results, strict=True))
        pairs = zip(inputs, requests, strict=True)
        return (self._with_detections(parsed, detections[request], pipeline) for parsed, request in pairs)

    def _with_detections(
        self, parsed: ParsedInput, detections: Detections, pipeline: DetectionPipeline
    ) -> InputOrError:
        if isinstance(detections, InputError):
            return detections
        trained, now = self._folder.recipe.data.objects, pipeline.settings
        notes, detector = parsed.notes, now.detector.name
        if trained is not None and trained.version != now.version:
            version = Message(
                "detector-version-changed", detector=detector, found=now.version, expected=trained.version
            )
            notes += (version,)
        if not detections:
            notes += (Message("no-object-detected", detector=detector, threshold=now.threshold),)
        vision = self._folder.recipe.vision
        objects = detections[: vision.max_objects] if vision else ()
        return replace(parsed, example=replace(parsed.example, objects=objects), notes=notes)


def _with_objects_note(parsed: ParsedInput) -> ParsedInput:
    return replace(parsed, notes=(*parsed.notes, Message("objects-not-given")))
