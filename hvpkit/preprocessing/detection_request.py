"""What a user asks of object finding when data is prepared, and the settings that come of it (no torch)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hvpkit.config.option_types import validate_option
from hvpkit.config.recipe import ComponentSpec, ObjectsSpec
from hvpkit.detection.phrases import check_phrases, default_phrases
from hvpkit.errors import ComponentError, InputError, did_you_mean
from hvpkit.registry import Component, Registry
from hvpkit.types import Task

OFFLINE, LEAVE = "saliency", "none"


@dataclass(frozen=True)
class DetectionRequest:
    """`detector`: a name, `none` for the objects that the data has already, None for these or, where it has none at all, `saliency`.

    What is None among the rest is as the detector and the task would have it; `preview` is how many examples the contact sheet shows.
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
        """Raise ComponentError or InputError for what can be told to be wrong before data is read."""
        name = self.detector
        if name is None or name == LEAVE:
            if given := self._told():
                raise InputError("detector-not-named", options=given, detector=OFFLINE)
            return
        if name not in registry.names("detector"):
            raise ComponentError(
                "unknown-component", kind="detector", name=name, hint=did_you_mean(name, [*registry.names("detector"), LEAVE])
            )
        component = registry.get("detector", name)
        _check_options(component, self.options)
        if self.phrases is not None and "phrases" not in component.needs:
            readers = [other for other in registry.names("detector") if "phrases" in registry.get("detector", other).needs]
            raise InputError("detector-ignores-phrases", detector=name, detectors=readers)

    def _told(self) -> list[str]:
        """List the command line's words for what the user said of a detector."""
        told = {"set": self.options or None, "phrases": self.phrases, "threshold": self.threshold, "nms-iou": self.nms_iou}
        told |= {"min-size": self.min_size, "max-objects": self.max_objects}
        return [f"--{word}" for word, value in told.items() if value is not None]

    def settings(self, registry: Registry, task: Task, threshold: float) -> ObjectsSpec:
        """Give the settings for a detector whose own threshold is `threshold`; raises InputError for phrases that the task has not."""
        name = self.detector or OFFLINE
        reads = "phrases" in registry.get("detector", name).needs
        phrases = list(self.phrases) if self.phrases is not None else default_phrases(task) if reads else []
        check_phrases(phrases, task)
        told = {"nms_iou": self.nms_iou, "min_size": self.min_size, "max_objects": self.max_objects}
        given = {key: value for key, value in told.items() if value is not None}
        part = ComponentSpec(name=name, options=dict(self.options))
        least = threshold if self.threshold is None else self.threshold
        return ObjectsSpec.model_validate({"detector": part, "phrases": phrases, "threshold": least, **given})


def _check_options(component: Component, options: Mapping[str, Any]) -> None:
    for option, value in options.items():
        if option not in component.options:
            hint = did_you_mean(option, component.options) if component.options else ": it has none at all"
            raise ComponentError("unknown-option", kind="detector", name=component.name, option=option, hint=hint)
        if wrong := validate_option(component, component.options[option], value):
            raise ComponentError(wrong)
