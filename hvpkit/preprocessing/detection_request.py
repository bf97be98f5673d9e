"""Detection options of `hvp preprocess` and the settings that result from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hvpkit.config.option_types import validate_option
from hvpkit.config.overrides import ParsedConfig, SourceLocations
from hvpkit.config.recipe import ComponentSpec, ObjectsSpec
from hvpkit.detection.phrases import check_phrases, default_phrases
from hvpkit.errors import ComponentError, InputError, did_you_mean
from hvpkit.registry import Component, Registry
from hvpkit.types import Task

OFFLINE, NO_DETECTOR = "saliency", "none"


@dataclass(frozen=True)
class DetectionRequest:
    """Detection options of the user; None: the default of the detector and the task.

    Attributes:
        detector: Name of a detector; `none`: keep the objects of the dataset; None: the same, or `saliency` if there
            are none.
        options: Options of the detector.
        phrases: Names of phrase extractors.
        threshold: Minimum score of a box, 0..1.
        nms_iou: IoU threshold of non-maximum suppression.
        min_size: Minimum side length of a box in pixels.
        max_objects: Maximum number of objects of an image.
        crops: Whether crops are written.
        preview: Number of examples on the contact sheet.
        device: Device of the detector.
        batch_size: Number of images in a batch.
    """

    detector: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    phrases: tuple[str, ...] | None = None
    threshold: float | None = None
    nms_iou: float | None = None
    min_size: int | None = None
    max_objects: int | None = None
    crops: bool = True
    preview: int = 0
    device: str | None = None
    batch_size: int | None = None

    def check(self, registry: Registry) -> None:
        """Check the options before data is read.

        Raises:
            ComponentError: "unknown-component", "unknown-option", or an invalid value of an option.
            InputError: "detector-not-named" or "detector-ignores-phrases".
        """
        name = self.detector
        if name is None or name == NO_DETECTOR:
            if flags := self._detector_flags():
                raise InputError("detector-not-named", options=flags, detector=OFFLINE)
            return
        if name not in registry.names("detector"):
            raise ComponentError(
                "unknown-component",
                kind="detector",
                name=name,
                hint=did_you_mean(name, [*registry.names("detector"), NO_DETECTOR]),
            )
        component = registry.get("detector", name)
        _check_options(component, self.options)
        if self.phrases is not None and "phrases" not in component.needs:
            readers = [
                other for other in registry.names("detector") if "phrases" in registry.get("detector", other).needs
            ]
            raise InputError("detector-ignores-phrases", detector=name, detectors=readers)

    def _detector_flags(self) -> list[str]:
        """List the command-line flags that need a detector."""
        flags = {"set": self.options or None, "phrases": self.phrases, "threshold": self.threshold}
        flags |= {"nms-iou": self.nms_iou, "min-size": self.min_size, "max-objects": self.max_objects}
        return [f"--{name}" for name, value in flags.items() if value is not None]

    def settings(self, registry: Registry, task: Task, threshold: float) -> ObjectsSpec:
        """Build the settings of detection.

        Args:
            registry: Components.
            task: Task of the dataset.
            threshold: Default threshold of the detector.

        Raises:
            InputError: "unknown-phrases" or "mentions-need-pairs".
        """
        name = self.detector or OFFLINE
        if self.phrases is not None:
            phrases = list(self.phrases)
        else:
            phrases = default_phrases(task) if "phrases" in registry.get("detector", name).needs else []
        check_phrases(phrases, task)
        limits = {"nms_iou": self.nms_iou, "min_size": self.min_size, "max_objects": self.max_objects}
        limits = {key: value for key, value in limits.items() if value is not None}
        spec = ComponentSpec(name=name, options=dict(self.options))
        min_score = threshold if self.threshold is None else self.threshold
        return ObjectsSpec.model_validate({"detector": spec, "phrases": phrases, "threshold": min_score, **limits})


def _check_options(component: Component, options: Mapping[str, Any]) -> None:
    for option, value in options.items():
        if option not in component.options:
            hint = did_you_mean(option, component.options) if component.options else ": it has none at all"
            raise ComponentError("unknown-option", kind="detector", name=component.name, option=option, hint=hint)
        if wrong := validate_option(component, component.options[option], value):
            raise ComponentError(wrong)


def parse_detector_options(settings: Iterable[str]) -> dict[str, Any]:
    """Parse options `KEY=VALUE` of a detector, with YAML values.

    Raises:
        InputError: "detector-options-invalid".
    """
    config = ParsedConfig({}, SourceLocations(), [])
    for setting in settings:
        config.override(setting)
    if config.problems:
        raise InputError("detector-options-invalid", problems=config.problems)
    return config.values
