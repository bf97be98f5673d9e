"""Recipes: one YAML file says a whole experiment; a recipe is data, it names components and runs no code (no torch here)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from hvpkit.config.option_types import NonNegativeInt, PositiveInt, UnitInterval
from hvpkit.config.overrides import SourceLocations
from hvpkit.config.yaml_reader import dump
from hvpkit.messages import Message
from hvpkit.types import Task

NonEmptyStr = Annotated[str, Field(min_length=1)]
LearningRate = Annotated[float, Field(gt=0, lt=1)]


class StrictModel(BaseModel):
    """Base of all parts of recipes and plans: immutable, no unknown keys, no type conversions, no NaN or infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class _WithOptions(StrictModel):
    """A spec whose further keys are the options of the component that it names."""

    options: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _collect_options(cls, given: object) -> object:
        if not isinstance(given, dict):
            return given
        fields = {key: value for key, value in given.items() if key in cls.model_fields}
        options = given.get("options", {})
        further = {key: value for key, value in given.items() if key not in cls.model_fields}
        return fields | {"options": options | further if isinstance(options, dict) else options}


class ComponentSpec(_WithOptions):
    """A component and its options; in YAML a bare name, or `{name: x, option: value}`."""

    name: NonEmptyStr

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, given: object) -> object:
        return {"name": given} if isinstance(given, str) else given


class ObjectsSpec(StrictModel):
    """How objects are found in images: the detector (with its `version`), the phrases it looks for, and which boxes are kept.

    Boxes are kept from the score `threshold` on, without better ones that they `overlap` by more (IoU), with sides of `smallest` pixels at
    least, the best `most` of them.
    """

    detector: ComponentSpec
    version: str | None = None
    phrases: list[NonEmptyStr] = []
    threshold: UnitInterval = 0.0
    nms_iou: UnitInterval = 0.5
    min_size: PositiveInt = 16
    max_objects: PositiveInt = 3

    def describe(self) -> Message:
        """Summarize in one line how objects are detected."""
        fields = {"detector": self.detector.name, "version": self.version, "max_objects": self.max_objects, "threshold": self.threshold}
        fields |= {"min_size": self.min_size, "nms_iou": self.nms_iou}
        if self.phrases:
            return Message("objects-detected-by-phrases", phrases=self.phrases, **fields)
        return Message("objects-detected", **fields)

    def to_dict(self) -> dict[str, Any]:
        """Convert to JSON values, as a recipe would write them."""
        return {key: to_plain(getattr(self, key)) for key in type(self).model_fields}


def describe_objects(settings: ObjectsSpec | None) -> Message:
    """Summarize in one line how the objects of a dataset were found."""
    return Message("objects-of-data") if settings is None else settings.describe()


class DataSpec(StrictModel):
    """Which prepared data: its name, its folder (`data/<name>` unless given), text positions at most, whether to leave images out.

    `objects` says how its objects were found; training takes that from the data, and what the recipe says must agree with it.
    """

    name: NonEmptyStr
    folder: Annotated[Path | None, Field(strict=False)] = None
    max_length: Annotated[int, Field(ge=8)] = 128
    text_only: bool = False
    objects: ObjectsSpec | None = None

    @property
    def path(self) -> Path:
        """Give the folder of the prepared data."""
        return self.folder or Path("data") / self.name


class TextSpec(_WithOptions):
    """The text encoder; `name` is a hub id or a local folder for encoders that are pretrained."""

    encoder: NonEmptyStr = "hugging-face"
    name: NonEmptyStr | None = None


class VisionSpec(_WithOptions):
    """The visual tower: backbone and weights (`imagenet`, `random`, a file or folder), the images an example (the whole, objects).

    `grid` is the cells a side of the pooled maps, `size` the side of the crops in pixels (None: the backbone's own); `pooling: floor` and
    `missing: zeros` are the release's (hvpkit/model/vision/tower.py).
    """

    backbone: NonEmptyStr
    weights: NonEmptyStr = "imagenet"
    full_image: bool = True
    max_objects: NonNegativeInt = 3
    grid: PositiveInt = 2
    frozen: bool = True
    image_size: Annotated[int, Field(ge=32)] | None = None
    pooling: Literal["adaptive", "floor"] = "adaptive"
    missing: Literal["mask", "zeros"] = "mask"

    @model_validator(mode="after")
    def _sees_something(self) -> VisionSpec:
        if not self.full_image and self.max_objects == 0:
            raise ValueError(Message("vision-without-images"))
        return self

    @property
    def num_images(self) -> int:
        """Give V, the images an example: the whole image and its objects."""
        return int(self.full_image) + self.max_objects


class FusionSpec(ComponentSpec):
    """How text and images meet; `projector` and `gate` are for fusions that have them."""

    projector: ComponentSpec | None = None
    gate: ComponentSpec | None = None


class TrainSpec(StrictModel):
    """How to train; the rates of head, fusion and vision are those of the text (`lr`) unless given, `max_grad_norm` 0 clips nothing.

    After the warm-up rates fall to 0 (`schedule: linear`), or are divided by 1 + `lr_decay` times the epochs that are done (`schedule:
    epochs`; an `lr_decay` of 0 keeps them). `momentum` is SGD's. `patience` stops after so many epochs without a better dev score. A
    `share` of the training set, or `shots` examples of each class, is drawn by the seed (hvpkit/training/subsample.py); `from` is a model
    folder whose weights, all but the head's, are taken over. With `graphs` steps on a GPU are recorded
    (hvpkit/training/acceleration/cuda_graphs.py), sooner and, but for rounding, to the same end. Oddities of the release (docs/release.md),
    for those who reproduce its numbers: `freeze_head: true` leaves the head at its random start, `backbone_mode: train` lets a frozen backbone's
    running statistics drift, `decay_biases: true` decays biases and norms too, `sampling: with-replacement` may draw an example twice.
    """

    epochs: PositiveInt = 30
    batch_size: PositiveInt = 8
    optimizer: Literal["adamw", "sgd"] = "adamw"
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    lr: LearningRate = 3e-5
    head_lr: LearningRate | None = None
    fusion_lr: LearningRate | None = None
    vision_lr: LearningRate | None = None
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.01
    warmup: UnitInterval = 0.1
    schedule: Literal["linear", "inverse-time"] = "linear"
    lr_decay: Annotated[float, Field(ge=0)] = 0.0
    max_grad_norm: Annotated[float, Field(ge=0)] = 1.0
    first_eval_epoch: PositiveInt = 1
    patience: PositiveInt | None = None
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 1234
    gradient_accumulation_steps: PositiveInt = 1
    cuda_graphs: bool = True
    freeze_head: bool = False
    backbone_mode: Literal["eval", "train"] = "eval"
    decay_biases: bool = False
    fraction: Annotated[float, Field(gt=0, le=1)] = 1.0
    shots: PositiveInt | None = None
    init_from: Annotated[Path | None, Field(strict=False)] = None
    sampling: Literal["without-replacement", "with-replacement"] = "without-replacement"
    report_to: Literal["none", "tensorboard"] = "none"

    @property
    def is_subsampled(self) -> bool:
        """Whether a part of the training set is used."""
        return self.shots is not None or self.fraction != 1.0

    @model_validator(mode="after")
    def _evaluates(self) -> TrainSpec:
        if self.first_eval_epoch > self.epochs:
            raise ValueError(Message("evaluation-too-late", first_eval_epoch=self.first_eval_epoch, epochs=self.epochs))
        return self

    @model_validator(mode="after")
    def _uses_what_it_says(self) -> TrainSpec:
        for key, value, needs in (
            ("momentum", self.momentum, self.optimizer == "sgd" or "optimizer: sgd"),
            ("lr_decay", self.lr_decay, self.schedule == "inverse-time" or "schedule: inverse-time"),
        ):
            if value and needs is not True:
                raise ValueError(Message("setting-unused", key=key, value=value, user=needs))
        return self

    @model_validator(mode="after")
    def _draws_one_way(self) -> TrainSpec:
        if self.shots is not None and self.fraction != 1.0:
            raise ValueError(Message("fraction-and-shots"))
        if self.shots is not None and self.sampling == "with-replacement":
            raise ValueError(Message("shots-with-replacement"))
        return self


class Recipe(StrictModel):
    """A whole experiment, checked but for its components (hvpkit/config/compatibility.py does those).

    `scoring: wordpieces` scores entities as the release does (hvpkit/evaluation/wordpiece.py).
    """

    task: Task
    data: DataSpec
    text: TextSpec
    vision: VisionSpec | None = None
    fusion: FusionSpec = FusionSpec(name="none")
    head: ComponentSpec
    train: TrainSpec = TrainSpec()
    scoring: Literal["words", "wordpieces"] = "words"
    _origin: SourceLocations = PrivateAttr(default_factory=SourceLocations)

    @model_validator(mode="after")
    def _scores_what_it_reads(self) -> Recipe:
        if self.scoring == "wordpieces" and not self.tags_wordpieces:
            raise ValueError(Message("wordpiece-scores-of-words"))
        return self

    @property
    def uses_images(self) -> bool:
        """Whether the model gets images at all."""
        return self.vision is not None and not self.data.text_only

    @property
    def uses_objects(self) -> bool:
        """Whether the model gets objects of images."""
        return self.uses_images and self.vision is not None and self.vision.max_objects > 0

    @property
    def tags_wordpieces(self) -> bool:
        """Say whether entities are tagged piece by piece, as in the release."""
        return (self.head.name, self.head.options.get("labels")) == ("crf", "wordpieces")

    @property
    def mixes_images_in_heads(self) -> bool:
        """Say whether a head of the prefix reads positions of several images, as in the release."""
        return (self.fusion.name, self.fusion.options.get("head_layout")) == ("visual-prefix", "release")

    @property
    def source_locations(self) -> SourceLocations:
        """Tell where its keys were written, for messages."""
        return self._origin

    def __eq__(self, other: object) -> bool:
        """Compare what the recipes say, not where they were written."""
        return isinstance(other, Recipe) and self.model_dump() == other.model_dump()

    def to_yaml(self) -> str:
        """Write every setting, defaults too; loading it gives the same recipe."""
        return dump({key: to_plain(getattr(self, key)) for key in type(self).model_fields})


def to_plain(value: object) -> object:
    """Give a spec as YAML's plain values: its options among its other keys, and as a bare name when it is but that."""
    if isinstance(value, Path):
        return str(value)
    if not isinstance(value, BaseModel):
        return value
    written = {field.alias or key: key for key, field in type(value).model_fields.items() if key != "options"}
    fields = {name: to_plain(getattr(value, key)) for name, key in written.items()}
    keys = fields | getattr(value, "options", {})
    return keys["name"] if isinstance(value, ComponentSpec) and set(keys) == {"name"} else keys
