"""Region features of a torchvision detector: its box head applied to crops."""

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

# torchvision runs the COCO weights of these with an epsilon of 0 in batch norms
WITHOUT_EPSILON = ("fasterrcnn-resnet50-fpn", "maskrcnn-resnet50-fpn")


def load_object_roi(context: VisionContext, *, detector: str, weights: str) -> ObjectRoi:
    """Build the backbone from a detector and its weights.

    Args:
        context: Image size, or the folder of a saved model.
        detector: Name of a torchvision detector.
        weights: "coco", "random", or the file of a state dict.

    Raises:
        ModelFolderError: "visualbert-imagenet-weights", "visualbert-weights-missing" or "visualbert-weights-mismatch".
    """
    if weights == "imagenet":
        raise ModelFolderError("visualbert-imagenet-weights")
    network = get_model(detector.replace("-", "_"), weights=None, weights_backbone=None)
    backbone = ObjectRoi(network, context.size or SIDE)
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
    required = {name: tensor for name, tensor in expected.items() if "num_batches" not in name}
    wrong = [name for name, tensor in required.items() if name not in state or state[name].shape != tensor.shape]
    if wrong:
        raise ModelFolderError(
            "visualbert-weights-mismatch", file=file, detector=detector, count=len(wrong), names=wrong[:3]
        )
    backbone.load_state_dict({name: state.get(name, tensor) for name, tensor in expected.items()})


class ObjectRoi(VisualBackbone):
    """Feature pyramid, region pooling and box head of a detector; the full image is the region: [K, 1024, 1].

    Args:
        detector: torchvision detector.
        side: Side length of the input in pixels.

    Source: own.
    """

    def __init__(self, detector: FasterRCNN, side: int) -> None:
        super().__init__()
        heads: RoIHeads = detector.roi_heads
        self.backbone, self.pool, self.box_head, self.side = detector.backbone, heads.box_roi_pool, heads.box_head, side
        with torch.no_grad():
            channels = self.eval()(torch.zeros(1, 3, side, side))[0].shape[1]
        self.levels = (LevelInfo(channels, side, cells=1),)

    def drop_epsilon(self) -> None:
        """Set the epsilon of batch norms to 0."""
        for module in self.backbone.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = 0.0

    def transform(self, image: Image.Image) -> Tensor:
        """Resize to a square and normalize as the detector's own transform does: [3, side, side]."""
        return to_pixels(image, self.side)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Compute the box-head features of full images [K, 3, side, side]: [K, 1024, 1]."""
        full_box = pixels.new_tensor([[0.0, 0.0, self.side, self.side]])
        sizes = [(self.side, self.side)] * len(pixels)
        pooled = self.pool(self.backbone(pixels), [full_box] * len(pixels), sizes)
        features: Tensor = self.box_head(pooled)
        return [features[..., None]]
