"""Schema of recipes: one YAML file that describes a whole experiment and names its components."""

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
    """A spec whose other keys are the options of the component that it names."""

    options: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _collect_options(cls, values: object) -> object:
        if not isinstance(values, dict):
            return values
        fields = {key: value for key, value in values.items() if key in cls.model_fields}
        options = values.get("options", {})
        other_keys = {key: value for key, value in values.items() if key not in cls.model_fields}
        return fields | {"options": options | other_keys if isinstance(options, dict) else options}


class ComponentSpec(_WithOptions):
    """A component and its options; in YAML a bare name or `{name: x, option: value}`.

    Attributes:
        name: Name of the component.
        options: Options for its factory.
    """

    name: NonEmptyStr

    @model_validator(mode="before")
    @classmethod
    def _expand_bare_name(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value


class ObjectsSpec(StrictModel):
    """Object detection: the detector, its phrases, and which boxes are kept.

    Attributes:
        detector: The detector and its options.
        version: Version of the detector's weights or data; None if unknown.
        phrases: Phrase extractors, such as "rules".
        threshold: Minimum score 0..1 of a box.
        nms_iou: IoU threshold 0..1 of non-maximum suppression.
        min_size: Minimum side of a box in pixels.
        max_objects: Maximum number of objects per example, best first.
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
        fields = {
            "detector": self.detector.name,
            "version": self.version,
            "max_objects": self.max_objects,
            "threshold": self.threshold,
            "min_size": self.min_size,
            "nms_iou": self.nms_iou,
        }
        if self.phrases:
            return Message("objects-detected-by-phrases", phrases=self.phrases, **fields)
        return Message("objects-detected", **fields)

    def to_dict(self) -> dict[str, Any]:
        """Convert to JSON values, as in a recipe."""
        return {key: to_plain(getattr(self, key)) for key in type(self).model_fields}


def describe_objects(settings: ObjectsSpec | None) -> Message:
    """Summarize in one line how the objects of a dataset were detected."""
    return Message("objects-of-data") if settings is None else settings.describe()


class DataSpec(StrictModel):
    """Prepared data.

    Attributes:
        name: Name of the dataset.
        folder: Folder of the prepared data; `data/<name>` by default.
        max_length: Maximum number of positions of an encoded text.
        text_only: Whether to ignore images.
        objects: How objects were detected. Training reads this from the data, which the recipe must not contradict.
    """

    name: NonEmptyStr
    folder: Annotated[Path | None, Field(strict=False)] = None
    max_length: Annotated[int, Field(ge=8)] = 128
    text_only: bool = False
    objects: ObjectsSpec | None = None

    @property
    def path(self) -> Path:
        """Return the folder of the prepared data."""
        return self.folder or Path("data") / self.name


class TextSpec(_WithOptions):
    """Text encoder.

    Attributes:
        encoder: Name of the component.
        name: Hub id or local folder of a pretrained encoder.
        options: Other options of the encoder.
    """

    encoder: NonEmptyStr = "hugging-face"
    name: NonEmptyStr | None = None


class VisionSpec(_WithOptions):
    """Visual tower: backbone, weights, and the image regions of an example.

    Attributes:
        backbone: Name of the component.
        weights: "imagenet", "random", a file or a folder.
        full_image: Whether the full image is one of the regions.
        max_objects: Maximum number of objects per example.
        grid: Cells per side of the pooled feature maps; P = grid².
        frozen: Whether the backbone is not trained.
        image_size: Side of the regions in pixels; None: the size of the backbone.
        pooling: "adaptive", or "floor" as in the released code (hvpkit/model/vision/tower.py).
        missing: "mask" masks missing images; "zeros" uses zero features as in the released code.
        options: Other options of the backbone.
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
    def _require_images(self) -> VisionSpec:
        if not self.full_image and self.max_objects == 0:
            raise ValueError(Message("vision-without-images"))
        return self

    @property
    def num_images(self) -> int:
        """Return V, the number of image regions per example: the full image and its objects."""
        return int(self.full_image) + self.max_objects


class FusionSpec(ComponentSpec):
    """Fusion of text and images.

    Attributes:
        projector: Projector, for fusions that use one.
        gate: Gate, for fusions that use one.
    """

    projector: ComponentSpec | None = None
    gate: ComponentSpec | None = None


class TrainSpec(StrictModel):
    """Training: optimizer, schedule, precision, and the part of the training set that is used.

    The last four options below reproduce oddities of the released code (docs/release.md).

    Attributes:
        epochs: Maximum number of epochs.
        batch_size: Examples per step and process.
        optimizer: "adamw", "sgd", or "bert-adam", Adam without bias correction (hvpkit/training/bert_adam.py).
        momentum: Momentum of SGD.
        max_tensor_norm: Maximum norm of the gradient of each tensor by itself, for bert-adam; 0 disables clipping.
        lr: Learning rate of the text encoder, and of all other parameters without a rate of their own.
        head_lr: Learning rate of the head; None: `lr`.
        fusion_lr: Learning rate of the fusion; None: `lr`.
        vision_lr: Learning rate of the backbone and of a fusion's pretrained vision layers; None: `lr`.
        weight_decay: Weight decay.
        warmup: Fraction 0..1 of all steps in which the learning rates rise linearly from 0.
        warmup_steps: Steps of the warm-up, in place of `warmup`.
        schedule: After the warm-up, "linear" lowers the rates to 0; "warmup-linear" does so from 1 - `warmup`, as
            BertAdam's; "inverse-time" divides them by 1 + `lr_decay` * finished epochs; "step" multiplies them by
            `gamma` at each of the `milestones`.
        lr_decay: Decay per epoch of the inverse-time schedule; 0 keeps the rates constant.
        gamma: Factor of the step schedule.
        milestones: Numbers of finished epochs at which the step schedule changes the rates, or every how many.
        max_grad_norm: Maximum norm of the gradients; 0 disables clipping.
        first_eval_epoch: First epoch after which dev is evaluated.
        patience: Epochs without a better dev score after which training stops; None: never.
        precision: "auto", "fp32" or "bf16".
        seed: Random seed.
        gradient_accumulation_steps: Batches per optimizer step.
        cuda_graphs: Whether to capture steps on a GPU as CUDA graphs, which is faster and changes results only by
            rounding (hvpkit/training/acceleration/cuda_graphs.py).
        fraction: Fraction of the training set, sampled by the seed (hvpkit/training/subsample.py).
        shots: Training examples per class, sampled by the seed; excludes `fraction`.
        init_from: Model folder to load all matching weights from, except those of the head.
        report_to: "none" or "tensorboard".
        freeze_head: Whether the head keeps its random initialization.
        backbone_mode: "train" lets a frozen backbone update its batch-norm statistics.
        decay_all: Whether weight decay applies to biases, norms and embedding tables too.
        sampling: "with-replacement" may use an example several times in an epoch.
    """

    epochs: PositiveInt = 30
    batch_size: PositiveInt = 8
    optimizer: Literal["adamw", "sgd", "bert-adam"] = "adamw"
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    max_tensor_norm: Annotated[float, Field(ge=0)] = 0.0
    lr: LearningRate = 3e-5
    head_lr: LearningRate | None = None
    fusion_lr: LearningRate | None = None
    vision_lr: LearningRate | None = None
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.01
    warmup: UnitInterval = 0.1
    warmup_steps: NonNegativeInt | None = None
    schedule: Literal["linear", "warmup-linear", "inverse-time", "step"] = "linear"
    lr_decay: Annotated[float, Field(ge=0)] = 0.0
    gamma: Annotated[float, Field(gt=0, le=1)] = 1.0
    milestones: PositiveInt | list[PositiveInt] = []
    max_grad_norm: Annotated[float, Field(ge=0)] = 1.0
    first_eval_epoch: PositiveInt = 1
    patience: PositiveInt | None = None
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 1234
    gradient_accumulation_steps: PositiveInt = 1
    cuda_graphs: bool = True
    freeze_head: bool = False
    backbone_mode: Literal["eval", "train"] = "eval"
    decay_all: bool = False
    fraction: Annotated[float, Field(gt=0, le=1)] = 1.0
    shots: PositiveInt | None = None
    init_from: Annotated[Path | None, Field(strict=False)] = None
    sampling: Literal["without-replacement", "with-replacement"] = "without-replacement"
    report_to: Literal["none", "tensorboard"] = "none"

    @property
    def is_subsampled(self) -> bool:
        """Return whether only a part of the training set is used."""
        return self.shots is not None or self.fraction != 1.0

    @model_validator(mode="after")
    def _check_first_eval_epoch(self) -> TrainSpec:
        if self.first_eval_epoch > self.epochs:
            message = Message("evaluation-too-late", first_eval_epoch=self.first_eval_epoch, epochs=self.epochs)
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _check_unused_settings(self) -> TrainSpec:
        for key, section, user in (
            ("momentum", "optimizer", "sgd"),
            ("max_tensor_norm", "optimizer", "bert-adam"),
            ("lr_decay", "schedule", "inverse-time"),
            ("gamma", "schedule", "step"),
            ("milestones", "schedule", "step"),
        ):
            value = getattr(self, key)
            if value != type(self).model_fields[key].default and getattr(self, section) != user:
                raise ValueError(Message("setting-unused", key=key, value=value, user=f"{section}: {user}"))
        return self

    @model_validator(mode="after")
    def _check_subsampling(self) -> TrainSpec:
        if self.shots is not None and self.fraction != 1.0:
            raise ValueError(Message("fraction-and-shots"))
        if self.shots is not None and self.sampling == "with-replacement":
            raise ValueError(Message("shots-with-replacement"))
        return self


class Recipe(StrictModel):
    """A whole experiment, validated except for its components (hvpkit/config/compatibility.py).

    Attributes:
        task: "mner" or "mre".
        data: Prepared data.
        text: Text encoder.
        vision: Visual tower; None: text only.
        fusion: Fusion of text and images.
        head: Prediction head.
        train: Training.
        scoring: "words", or "wordpieces" as in the released code (hvpkit/evaluation/wordpiece.py).
    """

    task: Task
    data: DataSpec
    text: TextSpec
    vision: VisionSpec | None = None
    fusion: FusionSpec = FusionSpec(name="none")
    head: ComponentSpec
    train: TrainSpec = TrainSpec()
    scoring: Literal["words", "wordpieces"] = "words"
    _source_locations: SourceLocations = PrivateAttr(default_factory=SourceLocations)

    @model_validator(mode="after")
    def _check_scoring(self) -> Recipe:
        if self.scoring == "wordpieces" and not self.tags_wordpieces:
            raise ValueError(Message("wordpiece-scores-of-words"))
        return self

    @property
    def uses_images(self) -> bool:
        """Return whether the model uses images."""
        return self.vision is not None and not self.data.text_only

    @property
    def uses_objects(self) -> bool:
        """Return whether the model uses objects of images."""
        return self.uses_images and self.vision is not None and self.vision.max_objects > 0

    @property
    def tags_wordpieces(self) -> bool:
        """Return whether wordpieces instead of words are tagged, as in the released code."""
        return (self.head.name, self.head.options.get("labels")) == ("crf", "wordpieces")

    @property
    def mixes_images_in_heads(self) -> bool:
        """Return whether an attention head of the prefix mixes several images, as in the released code."""
        return (self.fusion.name, self.fusion.options.get("head_layout")) == ("visual-prefix", "release")

    @property
    def source_locations(self) -> SourceLocations:
        """Return where its keys were set, for messages."""
        return self._source_locations

    def __eq__(self, other: object) -> bool:
        """Compare the settings, not their locations."""
        return isinstance(other, Recipe) and self.model_dump() == other.model_dump()

    def to_yaml(self) -> str:
        """Convert to YAML with every setting, defaults included; loading it returns an equal recipe."""
        return dump({key: to_plain(getattr(self, key)) for key in type(self).model_fields})


def to_plain(value: object) -> object:
    """Convert a spec to plain YAML values.

    Options are written next to the other keys; a component without options becomes a bare name.
    """
    if isinstance(value, Path):
        return str(value)
    if not isinstance(value, BaseModel):
        return value
    names = {field.alias or key: key for key, field in type(value).model_fields.items() if key != "options"}
    fields = {name: to_plain(getattr(value, key)) for name, key in names.items()}
    keys = fields | getattr(value, "options", {})
    return keys["name"] if isinstance(value, ComponentSpec) and set(keys) == {"name"} else keys
