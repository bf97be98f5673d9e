"""Closed-set detectors of torchvision, trained on the classes of COCO."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import detection
from torchvision.transforms.v2 import functional

from hvpkit.errors import ModelFolderError, did_you_mean
from hvpkit.interfaces import DetectionQuery, DetectorContext, ObjectDetector
from hvpkit.model.vision.torchvision_backbone import read_state_dict, weights_file
from hvpkit.types import Box, VisualObject
from hvpkit.utils.device import resolve_device

PUBLISHED = {
    "fasterrcnn": (detection.fasterrcnn_resnet50_fpn, detection.FasterRCNN_ResNet50_FPN_Weights.COCO_V1),
    "maskrcnn": (detection.maskrcnn_resnet50_fpn, detection.MaskRCNN_ResNet50_FPN_Weights.COCO_V1),
}


def load_closed_set(name: str, context: DetectorContext, weights: str, side: int, regions: int) -> ClosedSetDetector:
    """Build a detector and load its weights.

    Args:
        name: Key of `PUBLISHED`.
        context: Device and batch size.
        weights: `coco`, `random` (fixed seed), or the file of a state dict.
        side: Length of the shorter image side after resizing, in pixels.
        regions: Number of region proposals that the second stage scores.

    Raises:
        ModelFolderError: "detector-weights-missing" or "detector-weights-mismatch", or the download failed.
    """
    build, published = PUBLISHED[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # random weights must be the same in every process
        sizes = {"min_size": side, "max_size": side * 5 // 3, "rpn_post_nms_top_n_test": regions}
        model: nn.Module = build(weights=None, weights_backbone=None, num_classes=91, **sizes)
    version = "random"
    if weights != "random":
        file = _coco_weights(name) if weights == "coco" else Path(weights).expanduser()
        version = _load_weights(model, file, name)
    device = resolve_device(context.device)
    return ClosedSetDetector(model.eval().to(device), published.meta["categories"], context.batch_size, version)


def _coco_weights(name: str) -> Path:
    return weights_file(PUBLISHED[name][1].url, f"COCO weights of {name}", "weights")


def _load_weights(model: nn.Module, file: Path, name: str) -> str:
    """Load a state dict and return the first 16 hex digits of the sha256 of its file."""
    if not file.is_file():
        raise ModelFolderError(
            "detector-weights-missing", detector=name, file=file, hint=did_you_mean(str(file), ["coco", "random"])
        )
    state, expected = read_state_dict(file), model.state_dict()
    required = [key for key in expected if "num_batches" not in key]
    mismatched = [key for key in required if key not in state or state[key].shape != expected[key].shape]
    mismatched += [key for key in state if key not in expected]
    if mismatched:
        raise ModelFolderError("detector-weights-mismatch", file=file, detector=name, count=len(mismatched))
    model.load_state_dict(state)
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


class ClosedSetDetector(ObjectDetector):
    """Detect boxes of fixed classes; the phrase of an object is its class name.

    The phrases of queries are not used.

    Args:
        model: A detector of torchvision in evaluation mode.
        categories: Class names by label index.
        batch_size: Number of images in a batch.
        version: Identifies the weights.
    """

    threshold = 0.5

    def __init__(self, model: nn.Module, categories: Sequence[str], batch_size: int, version: str) -> None:
        self.model, self.categories, self.batch_size, self.version = model, categories, batch_size, version
        self.device = next(model.parameters()).device

    @torch.inference_mode()
    def detect(self, queries: Sequence[DetectionQuery]) -> list[list[VisualObject]]:
        """Detect objects in batches."""
        detections: list[list[VisualObject]] = []
        for start in range(0, len(queries), self.batch_size):
            batch = queries[start : start + self.batch_size]
            images = (functional.pil_to_tensor(query.image) for query in batch)
            pixels = [functional.to_dtype(image, scale=True).to(self.device) for image in images]
            detections += [
                self._objects(output, query) for output, query in zip(self.model(pixels), batch, strict=True)
            ]
        return detections

    def _objects(self, output: Mapping[str, Tensor], query: DetectionQuery) -> list[VisualObject]:
        scale_x, scale_y = (full / resized for full, resized in zip(query.size, query.image.size, strict=True))
        boxes = output["boxes"].cpu() * torch.tensor([scale_x, scale_y, scale_x, scale_y])
        rows = zip(boxes.tolist(), output["labels"].tolist(), output["scores"].tolist(), strict=True)
        return [VisualObject(box=Box(*box), phrase=self.categories[label], score=score) for box, label, score in rows]
