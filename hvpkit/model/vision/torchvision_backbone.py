"""torchvision classifiers as feature pyramids: the maps at the end of each stage."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.request import Request, urlopen

import torch
from PIL import Image
from torch import Tensor, nn
from torchvision import models
from torchvision.models.feature_extraction import create_feature_extractor

from hvpkit.errors import ModelFolderError, did_you_mean
from hvpkit.interfaces import LevelInfo, VisionContext, VisualBackbone
from hvpkit.messages import Message
from hvpkit.model.vision.transforms import center_crop, to_pixels
from hvpkit.utils.hub import TIMEOUT_SECONDS

SIDE = 224
RESNET_STAGES = {"layer1": 4, "layer2": 8, "layer3": 16, "layer4": 32}  # node -> stride
CONVNEXT_STAGES = {"features.1": 4, "features.3": 8, "features.5": 16, "features.7": 32}
VGG_STAGES = {
    "features.9": 4,
    "features.16": 8,
    "features.23": 16,
    "features.30": 32,
}  # the max-pools after blocks 2 to 5


def load_torchvision_backbone(
    name: str, context: VisionContext, *, weights: str, resize: str = "whole"
) -> TorchvisionBackbone:
    """Load a torchvision backbone.

    Args:
        name: Name of the model, with "-" for "_".
        context: What the backbone is built from.
        weights: `imagenet`, `random`, or the file of a state dict (.pth, .safetensors).
        resize: `center-crop` to crop the center of images; everything else rescales the full image.

    Raises:
        ModelFolderError: If the weights cannot be downloaded, read or loaded.
    """
    model = models.get_model(name.replace("-", "_"), weights=None)
    if context.folder is None and weights != "random":
        _load(model, _imagenet(name) if weights == "imagenet" else Path(weights).expanduser(), name)
    return TorchvisionBackbone(model, _stages(name), context.size or SIDE, is_centered=resize == "center-crop")


def _stages(name: str) -> dict[str, int]:
    if name.startswith("resnet"):
        return RESNET_STAGES
    return CONVNEXT_STAGES if name.startswith("convnext") else VGG_STAGES


def _imagenet(name: str) -> Path:
    url = models.get_model_weights(name.replace("-", "_"))["IMAGENET1K_V1"].url
    return weights_file(url, f"ImageNet weights of {name}")


def weights_file(url: str, what: str, option: str = "vision.weights") -> Path:
    """Return the file of torchvision weights in torch's cache; download it if it is missing.

    Args:
        url: Address of the weights.
        what: Description of the weights for the error message.
        option: Option that accepts a local file instead, for the error message.

    Raises:
        ModelFolderError: "weights-not-downloaded".
    """
    file = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if not file.is_file():
        try:
            with urlopen(Request(url, method="HEAD"), timeout=TIMEOUT_SECONDS):  # the download itself has no timeout
                file.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(
                url, str(file), hash_prefix=file.stem.rpartition("-")[2], progress=sys.stderr.isatty()
            )
        except (OSError, RuntimeError) as error:
            raise ModelFolderError(
                "weights-not-downloaded", weights=what, file=file, reason=str(error), option=option
            ) from error
    return file


def _load(model: nn.Module, file: Path, name: str) -> None:
    if file.is_dir():
        raise ModelFolderError("backbone-weights-folder", folder=file, backbone=name)
    if not file.is_file():
        raise ModelFolderError(
            "backbone-weights-missing", file=file, hint=did_you_mean(str(file), ["imagenet", "random"]), backbone=name
        )
    state = read_state_dict(file)
    expected = model.state_dict()
    missing = [key for key in expected if key not in state and not _is_classifier(key) and "num_batches" not in key]
    reshaped = [
        key
        for key, value in state.items()
        if key in expected and value.shape != expected[key].shape and not _is_classifier(key)
    ]
    unknown = [key for key in state if key not in expected]
    if missing or reshaped or unknown:
        reasons = [Message("weights-missing-tensors", names=_first(missing))] if missing else []
        reasons += [Message("weights-reshaped-tensors", names=_first(reshaped))] if reshaped else []
        reasons += [Message("weights-unknown-tensors", names=_first(unknown))] if unknown else []
        raise ModelFolderError("backbone-weights-mismatch", file=file, backbone=name, reasons=reasons)
    model.load_state_dict({key: value for key, value in state.items() if not _is_classifier(key)}, strict=False)


def _is_classifier(key: str) -> bool:
    return key.startswith(("fc.", "classifier."))


def _first(names: Sequence[str]) -> list[str]:
    return [*names[:3], "..."] if len(names) > 3 else list(names)


def read_state_dict(file: Path) -> Mapping[str, Tensor]:
    """Load tensors by name from a .safetensors file, or from a file of torch with `weights_only`.

    Raises:
        ModelFolderError: "weights-not-state-dict", "weights-unsafe" or "weights-unreadable".
    """
    state = load_weights_file(file)
    if not isinstance(state, Mapping) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    ):
        raise ModelFolderError("weights-not-state-dict", file=file)
    return state


def load_weights_file(file: Path) -> object:
    """Load the content of a weights file without running code from it.

    Raises:
        ModelFolderError: "weights-unsafe" or "weights-unreadable".
    """
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(file)
        content: object = torch.load(file, map_location="cpu", weights_only=True)
        return content
    except pickle.UnpicklingError as error:
        raise ModelFolderError("weights-unsafe", file=file) from error
    except Exception as error:  # corrupt files may raise anything
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ModelFolderError("weights-unreadable", file=file, reason=reason) from error


class TorchvisionBackbone(VisualBackbone):
    """Stages of a torchvision classifier, without its classification head.

    Args:
        model: The classifier.
        stages: Stride in pixels of each stage, by name of its node.
        side: Side of its input images in pixels.
        is_centered: Whether images are cropped to their center.
    """

    graph_safe = True

    def __init__(self, model: nn.Module, stages: Mapping[str, int], side: int, is_centered: bool = False) -> None:
        super().__init__()
        names = {node: str(i) for i, node in enumerate(stages)}
        self.body = create_feature_extractor(model, return_nodes=names)
        self.side, self.is_centered = side, is_centered
        self.min_decode_size = None if is_centered else 2 * side  # the released code decodes images in full
        with torch.no_grad():
            maps = self.body.eval()(torch.zeros(1, 3, 64, 64))
        self.levels = tuple(LevelInfo(maps[str(i)].shape[1], stride) for i, stride in enumerate(stages.values()))

    def transform(self, image: Image.Image) -> Tensor:
        """Rescale and normalize an image as ImageNet models require, [3, side, side]."""
        return to_pixels(center_crop(image, self.side) if self.is_centered else image, self.side)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Compute one map per stage, fine to coarse, from pixels [K, 3, side, side]."""
        maps = self.body(pixels)
        return [maps[str(i)] for i in range(len(self.levels))]
