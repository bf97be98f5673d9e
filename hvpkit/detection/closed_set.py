"""torchvision's detectors of COCO's kinds of things."""

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

PUBLISHED = {
    "fasterrcnn": (detection.fasterrcnn_resnet50_fpn, detection.FasterRCNN_ResNet50_FPN_Weights.COCO_V1),
    "maskrcnn": (detection.maskrcnn_resnet50_fpn, detection.MaskRCNN_ResNet50_FPN_Weights.COCO_V1),
}


def load_closed_set(name: str, context: DetectorContext, weights: str, side: int, regions: int) -> ClosedSetDetector:
    """Build a detector with `coco` weights, `random` ones of a fixed seed, or a state dict's file.

    Raises ModelFolderError when the weights cannot be had or do not fit.
    """
    build, published = PUBLISHED[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # random weights must be the same again in another process
        sizes = {"min_size": side, "max_size": side * 5 // 3, "rpn_post_nms_top_n_test": regions}
        model: nn.Module = build(weights=None, weights_backbone=None, num_classes=91, **sizes)
    version = "random"
    if weights != "random":
        file = _coco(name) if weights == "coco" else Path(weights).expanduser()
        version = _load(model, file, name)
    device = context.device or ("cuda" if torch.cuda.is_available() else "cpu")
    return ClosedSetDetector(model.eval().to(device), published.meta["categories"], context.batch_size, version)


def _coco(name: str) -> Path:
    return weights_file(PUBLISHED[name][1].url, f"COCO weights of {name}", "weights")


def _load(model: nn.Module, file: Path, name: str) -> str:
    """Load a state dict and give 16 hex digits of its file's sha256."""
    if not file.is_file():
        raise ModelFolderError("detector-weights-missing", detector=name, file=file, hint=did_you_mean(str(file), ["coco", "random"]))
    state, expected = read_state_dict(file), model.state_dict()
    wrong = [key for key in expected if "num_batches" not in key and (key not in state or state[key].shape != expected[key].shape)]
    wrong += [key for key in state if key not in expected]
    if wrong:
        raise ModelFolderError("detector-weights-mismatch", file=file, detector=name, count=len(wrong))
    model.load_state_dict(state)
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


class ClosedSetDetector(ObjectDetector):
    """Boxes with the name of the kind seen there as their phrase; phrases are not read."""

    threshold = 0.5

    def __init__(self, model: nn.Module, kinds: Sequence[str], batch_size: int, version: str) -> None:
        self.model, self.kinds, self.batch_size, self.version = model, kinds, batch_size, version
        self.device = next(model.parameters()).device

    @torch.inference_mode()
    def detect(self, queries: Sequence[DetectionQuery]) -> list[list[VisualObject]]:
        """Detect in batches."""
        found: list[list[VisualObject]] = []
        for start in range(0, len(queries), self.batch_size):
            batch = queries[start : start + self.batch_size]
            pixels = [functional.to_dtype(functional.pil_to_tensor(query.image), scale=True).to(self.device) for query in batch]
            found += [self._objects(seen, query) for seen, query in zip(self.model(pixels), batch, strict=True)]
        return found

    def _objects(self, seen: Mapping[str, Tensor], query: DetectionQuery) -> list[VisualObject]:
        across, down = (whole / shown for whole, shown in zip(query.size, query.image.size, strict=True))
        boxes = seen["boxes"].cpu() * torch.tensor([across, down, across, down])
        rows = zip(boxes.tolist(), seen["labels"].tolist(), seen["scores"].tolist(), strict=True)
        return [VisualObject(box=Box(*box), phrase=self.kinds[kind], score=score) for box, kind, score in rows]
