"""Objects for what a model is asked: found with the settings that its training data was prepared with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from hvpkit.config.recipe import ObjectsSpec
from hvpkit.detection.pipeline import DetectionPipeline, Found
from hvpkit.errors import InputError, ModelFolderError
from hvpkit.inference.inputs import ParsedInput
from hvpkit.messages import Message
from hvpkit.saving.model_folder import ModelFolder

Looked = ParsedInput | InputError


class ObjectAttacher:
    """Gives readings their objects where nobody said which there are; the detector is built when it is first needed."""

    def __init__(self, folder: ModelFolder, device: str | None = None) -> None:
        self._folder, self._device = folder, device
        self._finder: DetectionPipeline | None = None

    def attach(self, readings: Sequence[Looked]) -> list[Looked]:
        """Look for the objects of the readings that lack them; an image that cannot be read gives its error instead.

        Raises ModelFolderError when the detector cannot be had.
        """
        settings = self._folder.recipe.data.objects
        given = list(readings)
        lacking = {i: reading for i, reading in enumerate(given) if isinstance(reading, ParsedInput) and self._lacks(reading)}
        trained_without = self._folder.metrics.get("training", {}).get("with_objects") == 0  # an imported model does not know
        if not lacking or (settings is None and trained_without):
            return given
        if settings is None or "dataset" in self._folder.registry.get("detector", settings.detector.name).needs:
            answers: Iterable[Looked] = map(_remarked, lacking.values())
        else:
            answers = self._found(list(lacking.values()), self._opened(settings))
        for i, answer in zip(lacking, answers, strict=True):
            given[i] = answer
        return given

    def _lacks(self, reading: ParsedInput) -> bool:
        return not reading.objects_given and reading.example.image is not None and self._folder.recipe.uses_objects

    def _opened(self, settings: ObjectsSpec) -> DetectionPipeline:
        if self._finder is None:
            try:
                self._finder = DetectionPipeline.open(settings, self._folder.registry, self._device)
            except InputError as error:
                raise ModelFolderError("model-detector-unavailable", detector=settings.detector.name, reason=error.message) from error
        return self._finder

    def _found(self, readings: Sequence[ParsedInput], finder: DetectionPipeline) -> Iterator[Looked]:
        """Look once for what is looked for in one image: several pairs may share it."""
        asked = [(reading.example.image, finder.phrases(reading.example)) for reading in readings]
        each = {what: reading.example for what, reading in zip(asked, readings, strict=True)}
        found = dict(zip(each, finder.detect([(example, None) for example in each.values()]), strict=True))
        return (self._looked(reading, found[what], finder) for reading, what in zip(readings, asked, strict=True))

    def _looked(self, reading: ParsedInput, found: Found, finder: DetectionPipeline) -> Looked:
        if isinstance(found, InputError):
            return found
        trained, now = self._folder.recipe.data.objects, finder.settings
        remarks = reading.remarks
        if trained is not None and trained.version != now.version:
            changed = Message("detector-version-changed", detector=now.detector.name, found=now.version, expected=trained.version)
            remarks += (changed,)
        if not found:
            remarks += (Message("no-object-detected", detector=now.detector.name, threshold=now.threshold),)
        vision = self._folder.recipe.vision
        seen = found[: vision.max_objects] if vision else ()
        return replace(reading, example=replace(reading.example, objects=seen), remarks=remarks)


def _remarked(reading: ParsedInput) -> ParsedInput:
    return replace(reading, remarks=(*reading.remarks, Message("objects-not-given")))
