"""Region features of a torchvision detector: what its box head says of a crop."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.models import get_model, get_model_weights
from torchvision.models.detection.faster_rcnn import FasterRCNN
from torchvision.models.detection.roi_heads import RoIHeads

from hvpkit.errors import ModelFolderError
from hvpkit.interfaces import LevelInfo, VisionContext, VisualBackbone
from hvpkit.model.vision.torchvision_backbone import SIDE, read_state_dict, weights_file
from hvpkit.model.vision.transforms import to_pixels

WITHOUT_EPSILON = ("fasterrcnn-resnet50-fpn", "maskrcnn-resnet50-fpn")  # torchvision reads their COCO weights with norms that add none


def load_object_roi(context: VisionContext, *, detector: str, weights: str) -> ObjectRoi:
    """Build the detector with `coco` weights, `random` ones, or those of a state dict's file.

    Raises ModelFolderError when the weights cannot be had or do not fit.
    """
    if weights == "imagenet":
        raise ModelFolderError("visualbert-imagenet-weights")
    backbone = ObjectRoi(get_model(detector.replace("-", "_"), weights=None, weights_backbone=None), context.size or SIDE)
    if weights != "random" and detector in WITHOUT_EPSILON:
        backbone.drop_epsilon()
    if context.folder is None and weights != "random":
        _load(backbone, _coco(detector) if weights == "coco" else Path(weights).expanduser(), detector)
    return backbone


def _coco(detector: str) -> Path:
    return weights_file(get_model_weights(detector.replace("-", "_"))["DEFAULT"].url, f"COCO weights of {detector}")


def _load(backbone: ObjectRoi, file: Path, detector: str) -> None:
    if not file.is_file():
        raise ModelFolderError("visualbert-weights-missing", file=file, detector=detector)
    expected = backbone.state_dict()
    state = {name.removeprefix("roi_heads."): tensor for name, tensor in read_state_dict(file).items()}
    wrong = [n for n, tensor in expected.items() if "num_batches" not in n and (n not in state or state[n].shape != tensor.shape)]
    if wrong:
        raise ModelFolderError("visualbert-weights-mismatch", file=file, detector=detector, count=len(wrong), names=wrong[:3])
    backbone.load_state_dict({name: state.get(name, tensor) for name, tensor in expected.items()})


class ObjectRoi(VisualBackbone):
    """A detector's feature pyramid, region pooling and box head, over an image that is one region as a whole: tokens [K, 1024, 1]."""

    def __init__(self, detector: FasterRCNN, side: int) -> None:
        super().__init__()
        heads: RoIHeads = detector.roi_heads
        self.backbone, self.pool, self.box_head, self.side = detector.backbone, heads.box_roi_pool, heads.box_head, side
        with torch.no_grad():
            channels = self.eval()(torch.zeros(1, 3, side, side))[0].shape[1]
        self.levels = (LevelInfo(channels, side, cells=1),)

    def drop_epsilon(self) -> None:
        """Normalise by the running variance alone."""
        for module in self.backbone.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = 0.0

    def transform(self, image: Image.Image) -> Tensor:
        """Squash to a square, as other backbones do, and normalise as the detector's own transform does, to [3, side, side]."""
        return to_pixels(image, self.side)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Map [K, 3, side, side] to the box head's features of each whole image, [K, 1024, 1]."""
        whole = pixels.new_tensor([[0.0, 0.0, self.side, self.side]])
        pooled = self.pool(self.backbone(pixels), [whole] * len(pixels), [(self.side, self.side)] * len(pixels))
        features: Tensor = self.box_head(pooled)
        return [features[..., None]]
