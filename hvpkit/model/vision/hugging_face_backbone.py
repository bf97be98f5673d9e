"""Any Hugging Face `AutoBackbone` as a pyramid."""

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
NORMALISATION = "normalisation.json"


def load_hugging_face_backbone(context: VisionContext, *, weights: str, name: str | None) -> HuggingFaceBackbone:
    """Open a backbone by hub id or folder with all its stages; `weights: random` builds `name`'s architecture.

    Raises ModelFolderError when it cannot be found or has no backbone form.
    """
    if context.folder is not None:
        return load_pretrained(
            str(context.folder), "visual backbone", "vision.weights", lambda where, local: _open(where, local, True, context.size)
        )
    random, place = weights == "random", name or weights
    if place in {"random", "imagenet"}:
        raise ModelFolderError("hugging-face-without-weights")
    return load_pretrained(place, "visual backbone", "vision.weights", lambda where, local: _open(where, local, random, context.size))


def _open(place: str, local: bool, random: bool, size: int | None) -> HuggingFaceBackbone:
    config = AutoConfig.from_pretrained(place, local_files_only=local, trust_remote_code=False)
    if type(config) not in MODEL_FOR_BACKBONE_MAPPING:
        raise ValueError(Message("model-without-backbone", model_type=config.model_type))
    config.out_features = list(config.stage_names)[1:]
    architecture: Any = MODEL_FOR_BACKBONE_MAPPING[type(config)]  # AutoBackbone itself asks the hub even for a folder
    if random:
        model = architecture._from_config(config)
    else:
        told: dict[str, Any] = {"output_loading_info": True, "ignore_mismatched_sizes": True}
        model, report = architecture.from_pretrained(place, config=config, local_files_only=local, dtype=torch.float32, **told)
        require_weights(report, optional="hidden_states_norms.")  # classifiers lack them; they begin as plain norms
    mean, deviation, side = _preprocessing(place, local)
    return HuggingFaceBackbone(model, size or side or getattr(config, "image_size", None) or SIDE, mean, deviation)


def _preprocessing(place: str, local: bool) -> tuple[tuple[float, ...], tuple[float, ...], int | None]:
    """Read mean, deviation and side as they were saved, or from the preprocessor; without one, ImageNet's."""
    saved = Path(place) / NORMALISATION
    if saved.is_file():
        values = json.loads(saved.read_text(encoding="utf-8"))
        return tuple(values["mean"]), tuple(values["deviation"]), values["side"]
    try:
        processor = AutoImageProcessor.from_pretrained(place, local_files_only=local, trust_remote_code=False)
    except (OSError, ValueError):
        return IMAGENET_MEAN, IMAGENET_STD, None
    size = dict(getattr(processor, "crop_size", None) or getattr(processor, "size", None) or {})
    side = size.get("height") or size.get("shortest_edge")
    if not getattr(processor, "do_normalize", True):
        return (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), side
    return tuple(processor.image_mean), tuple(processor.image_std), side


class HuggingFaceBackbone(VisualBackbone):
    """All stages of a Hugging Face backbone, fine to coarse (a plain transformer gives maps of one size)."""

    def __init__(self, model: PreTrainedModel, side: int, mean: tuple[float, ...], deviation: tuple[float, ...]) -> None:
        super().__init__()
        self.model, self.side, self.mean, self.deviation = model, side, mean, deviation
        self.min_decode_size = 2 * side
        with torch.no_grad():
            maps = self.model.eval()(torch.zeros(1, 3, side, side)).feature_maps
        self.levels = tuple(LevelInfo(level.shape[1], round(side / level.shape[-1])) for level in maps)

    def transform(self, image: Image.Image) -> Tensor:
        """Rescale the whole image to the preprocessor's side (our own), normalise by its mean and deviation: [3, side, side]."""
        return to_pixels(image, self.side, self.mean, self.deviation)

    def save(self, folder: Path) -> None:
        """Write the architecture and the normalisation."""
        self.model.config.save_pretrained(folder)
        normalisation = {"side": self.side, "mean": self.mean, "deviation": self.deviation}
        (folder / NORMALISATION).write_text(json.dumps(normalisation), encoding="utf-8")

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Map [K, 3, side, side] to one map a stage."""
        return list(self.model(pixels).feature_maps)
