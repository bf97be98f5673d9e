"""Hugging Face backbones (`AutoBackbone`) as feature pyramids."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import MODEL_FOR_BACKBONE_MAPPING, AutoConfig, AutoImageProcessor, PreTrainedModel

from hvpkit.errors import ModelFolderError
from hvpkit.interfaces import LevelInfo, VisionContext, VisualBackbone
from hvpkit.messages import Message
from hvpkit.model.vision.transforms import IMAGENET_MEAN, IMAGENET_STD, to_pixels
from hvpkit.utils.hub import load_pretrained, require_weights

SIDE = 224
NORMALIZATION_FILE = "normalisation.json"


def load_hugging_face_backbone(context: VisionContext, *, weights: str, name: str | None) -> HuggingFaceBackbone:
    """Load a backbone with all its stages.

    Args:
        context: What the backbone is built from.
        weights: Hub id or local folder; `random` for the architecture of `name` alone.
        name: Hub id or local folder of the architecture, if it is not that of `weights`.

    Raises:
        ModelFolderError: "hugging-face-without-weights" without a name, or if the model cannot be found or is not
            available as a backbone.
    """
    if context.folder is not None:
        return load_pretrained(
            str(context.folder),
            "visual backbone",
            "vision.weights",
            lambda source, local: _load(source, local, True, context.size),
        )
    random, model_name = weights == "random", name or weights
    if model_name in {"random", "imagenet"}:
        raise ModelFolderError("hugging-face-without-weights")
    return load_pretrained(
        model_name,
        "visual backbone",
        "vision.weights",
        lambda source, local: _load(source, local, random, context.size),
    )


def _load(source: str, local: bool, random: bool, size: int | None) -> HuggingFaceBackbone:
    config = AutoConfig.from_pretrained(source, local_files_only=local, trust_remote_code=False)
    if type(config) not in MODEL_FOR_BACKBONE_MAPPING:
        raise ValueError(Message("model-without-backbone", model_type=config.model_type))
    config.out_features = list(config.stage_names)[1:]
    architecture: Any = MODEL_FOR_BACKBONE_MAPPING[type(config)]  # AutoBackbone queries the hub even for a local folder
    if random:
        model = architecture._from_config(config)
    else:
        options: dict[str, Any] = {"output_loading_info": True, "ignore_mismatched_sizes": True}
        options |= {"local_files_only": local, "dtype": torch.float32}
        model, report = architecture.from_pretrained(source, config=config, **options)
        require_weights(report, optional="hidden_states_norms.")  # classifiers do not have these norms
    mean, deviation, side = _preprocessing(source, local)
    return HuggingFaceBackbone(model, size or side or getattr(config, "image_size", None) or SIDE, mean, deviation)


def _preprocessing(source: str, local: bool) -> tuple[tuple[float, ...], tuple[float, ...], int | None]:
    """Load saved mean, deviation and side, or those of the preprocessor; without one, those of ImageNet."""
    saved = Path(source) / NORMALIZATION_FILE
    if saved.is_file():
        values = json.loads(saved.read_text(encoding="utf-8"))
        return tuple(values["mean"]), tuple(values["deviation"]), values["side"]
    try:
        processor = AutoImageProcessor.from_pretrained(source, local_files_only=local, trust_remote_code=False)
    except (OSError, ValueError):
        return IMAGENET_MEAN, IMAGENET_STD, None
    size = dict(getattr(processor, "crop_size", None) or getattr(processor, "size", None) or {})
    side = size.get("height") or size.get("shortest_edge")
    if not getattr(processor, "do_normalize", True):
        return (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), side
    return tuple(processor.image_mean), tuple(processor.image_std), side


class HuggingFaceBackbone(VisualBackbone):
    """All stages of a Hugging Face backbone, fine to coarse.

    The maps of a plain transformer have the same size.

    Args:
        model: The backbone.
        side: Side of its input images in pixels.
        mean: Mean of each color channel, for values in 0..1.
        deviation: Standard deviation of each color channel.
    """

    def __init__(
        self, model: PreTrainedModel, side: int, mean: tuple[float, ...], deviation: tuple[float, ...]
    ) -> None:
        super().__init__()
        self.model, self.side, self.mean, self.deviation = model, side, mean, deviation
        self.min_decode_size = 2 * side
        with torch.no_grad():
            maps = self.model.eval()(torch.zeros(1, 3, side, side)).feature_maps
        self.levels = tuple(LevelInfo(level.shape[1], round(side / level.shape[-1])) for level in maps)

    def transform(self, image: Image.Image) -> Tensor:
        """Rescale the full image and normalize it by mean and deviation, [3, side, side]."""
        return to_pixels(image, self.side, self.mean, self.deviation)

    def save(self, folder: Path) -> None:
        """Write the architecture and the normalization."""
        self.model.config.save_pretrained(folder)
        normalization = {"side": self.side, "mean": self.mean, "deviation": self.deviation}
        (folder / NORMALIZATION_FILE).write_text(json.dumps(normalization), encoding="utf-8")

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Compute one map per stage from pixels [K, 3, side, side]."""
        return list(self.model(pixels).feature_maps)
