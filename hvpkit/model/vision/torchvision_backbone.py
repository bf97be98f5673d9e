"""torchvision classifiers as pyramids: the maps at the end of each stage."""

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
VGG_STAGES = {"features.9": 4, "features.16": 8, "features.23": 16, "features.30": 32}  # the max-pools after blocks 2 to 5


def load_torchvision_backbone(name: str, context: VisionContext, *, weights: str, resize: str = "whole") -> TorchvisionBackbone:
    """Build a backbone with `imagenet` weights, `random` ones, or those of a state dict's file (.pth, .safetensors).

    Raises ModelFolderError when the weights cannot be had or do not fit.
    """
    model = models.get_model(name.replace("-", "_"), weights=None)
    if context.folder is None and weights != "random":
        _load(model, _imagenet(name) if weights == "imagenet" else Path(weights).expanduser(), name)
    return TorchvisionBackbone(model, _stages(name), context.size or SIDE, centred=resize == "center-crop")


def _stages(name: str) -> dict[str, int]:
    return RESNET_STAGES if name.startswith("resnet") else CONVNEXT_STAGES if name.startswith("convnext") else VGG_STAGES


def _imagenet(name: str) -> Path:
    return weights_file(models.get_model_weights(name.replace("-", "_"))["IMAGENET1K_V1"].url, f"ImageNet weights of {name}")


def weights_file(url: str, what: str, option: str = "vision.weights") -> Path:
    """Find torchvision's weights in torch's cache, or download them there.

    Raises ModelFolderError that names `what` it is and the `option` that takes a file instead.
    """
    file = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if not file.is_file():
        try:
            with urlopen(Request(url, method="HEAD"), timeout=TIMEOUT_SECONDS):  # the download itself would wait for ever
                file.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(file), hash_prefix=file.stem.rpartition("-")[2], progress=sys.stderr.isatty())
        except (OSError, RuntimeError) as error:
            raise ModelFolderError("weights-not-downloaded", weights=what, file=file, reason=str(error), option=option) from error
    return file


def _load(model: nn.Module, file: Path, name: str) -> None:
    if file.is_dir():
        raise ModelFolderError("backbone-weights-folder", folder=file, backbone=name)
    if not file.is_file():
        raise ModelFolderError("backbone-weights-missing", file=file, hint=did_you_mean(str(file), ["imagenet", "random"]), backbone=name)
    state = read_state_dict(file)
    expected = model.state_dict()
    missing = [key for key in expected if key not in state and not key.startswith(("fc.", "classifier.")) and "num_batches" not in key]
    wrong = [
        key
        for key, value in state.items()
        if key in expected and value.shape != expected[key].shape and not key.startswith(("fc.", "classifier."))
    ]
    unknown = [key for key in state if key not in expected]
    if missing or wrong or unknown:
        reasons = [Message("weights-missing-tensors", names=_first(missing))] if missing else []
        reasons += [Message("weights-reshaped-tensors", names=_first(wrong))] if wrong else []
        reasons += [Message("weights-unknown-tensors", names=_first(unknown))] if unknown else []
        raise ModelFolderError("backbone-weights-mismatch", file=file, backbone=name, reasons=reasons)
    model.load_state_dict({key: value for key, value in state.items() if not key.startswith(("fc.", "classifier."))}, strict=False)


def _first(names: Sequence[str]) -> list[str]:
    return [*names[:3], "..."] if len(names) > 3 else list(names)


def read_state_dict(file: Path) -> Mapping[str, Tensor]:
    """Read tensors by name from .safetensors, or from torch's format with `weights_only`; raises ModelFolderError."""
    state = load_weights_file(file)
    if not isinstance(state, Mapping) or not all(isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()):
        raise ModelFolderError("weights-not-state-dict", file=file)
    return state


def load_weights_file(file: Path) -> object:
    """Read what a weights file holds without running anything in it; raises ModelFolderError."""
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(file)
        found: object = torch.load(file, map_location="cpu", weights_only=True)
        return found
    except pickle.UnpicklingError as error:
        raise ModelFolderError("weights-unsafe", file=file) from error
    except Exception as error:  # broken bytes raise anything at all
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ModelFolderError("weights-unreadable", file=file, reason=reason) from error


class TorchvisionBackbone(VisualBackbone):
    """The stages of a torchvision classifier, without its classification head."""

    def __init__(self, model: nn.Module, stages: Mapping[str, int], side: int, centred: bool = False) -> None:
        super().__init__()
        names = {node: str(i) for i, node in enumerate(stages)}
        self.body = create_feature_extractor(model, return_nodes=names)
        self.side, self.centred = side, centred
        self.min_decode_size = None if centred else 2 * side  # the release decodes images in full
        with torch.no_grad():
            maps = self.body.eval()(torch.zeros(1, 3, 64, 64))
        self.levels = tuple(LevelInfo(maps[str(i)].shape[1], stride) for i, stride in enumerate(stages.values()))

    def transform(self, image: Image.Image) -> Tensor:
        """Rescale and normalise as ImageNet models expect: [3, side, side]."""
        return to_pixels(center_crop(image, self.side) if self.centred else image, self.side)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Map [K, 3, side, side] to one map a stage, fine to coarse."""
        maps = self.body(pixels)
        return [maps[str(i)] for i in range(len(self.levels))]
