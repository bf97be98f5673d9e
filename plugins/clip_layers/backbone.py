"""CLIP's patch embeddings as a visual backbone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torchvision.transforms.v2 import functional
from transformers import CLIPVisionConfig

from hvpkit.errors import ComponentError, ModelFolderError
from hvpkit.interfaces import LevelInfo, VisionContext, VisualBackbone

from .checkpoint import build_vision_model, load_vision_model, vision_parts

SIDE = 128  # of the larger crops in pixels
MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)


def load_patches(context: VisionContext, *, weights: str, name: str | None) -> ClipPatches:
    """Load the patch embedding of a CLIP; for a saved backbone, build it without loading weights.

    Args:
        context: Side of the larger crops, or the folder of a saved backbone.
        weights: Hub id or local folder; `random` for the sizes of `name`, or of ViT-B/32 without a name.
        name: Hub id or local folder of the architecture.

    Raises:
        ComponentError: "clip-crop-not-divisible".
        ModelFolderError: "clip-without-name", or the CLIP is not found or cannot be loaded.
    """
    if context.folder is not None:
        config = CLIPVisionConfig.from_pretrained(context.folder)
        return ClipPatches(config, _new_embedding(config), context.size)
    if weights == "random" and name is None:
        config = CLIPVisionConfig()
        return ClipPatches(config, _new_embedding(config), context.size)
    source = name or weights
    if source == "imagenet":
        raise ModelFolderError("clip-without-name")
    model = load_vision_model(source, "visual backbone", "vision.weights", random=weights == "random")
    return ClipPatches(model.config, vision_parts(model).embeddings.patch_embedding, context.size)


def _new_embedding(config: CLIPVisionConfig) -> nn.Conv2d:
    """Build a random patch embedding; of the rest of the model only one layer is built, and dropped."""
    small = CLIPVisionConfig(**{**config.to_dict(), "num_hidden_layers": 1})
    embedding: nn.Conv2d = vision_parts(build_vision_model(small)).embeddings.patch_embedding
    return embedding


class ClipPatches(VisualBackbone):
    """Patch embeddings of a crop in two sizes, as two levels of tokens without positions.

    The first level has the patches of the whole resolution, the second those of half of it. Pixels of 0 give tokens of
    0, since the embedding has no bias.

    Args:
        config: Configuration of the CLIP, which is saved.
        embedding: Its patch embedding, a convolution.
        side: Side of the larger crops in pixels; None: 128.

    Raises:
        ComponentError: "clip-crop-not-divisible" if the side is no multiple of two patches.

    Source: zjunlp/MKGformer; own: the smaller crops are computed from the larger ones.
    """

    graph_safe = True

    def __init__(self, config: CLIPVisionConfig, embedding: nn.Conv2d, side: int | None) -> None:
        super().__init__()
        self.config, self.embedding, self.side = config, embedding, side or SIDE
        patch: Any = config.patch_size  # in pixels
        width: Any = config.hidden_size
        if self.side % (2 * patch):
            raise ComponentError("clip-crop-not-divisible", multiple=2 * patch, size=self.side)
        cells = [(size // patch) ** 2 for size in (self.side, self.side // 2)]
        self.levels = tuple(LevelInfo(width, patch, count) for count in cells)

    def transform(self, image: Image.Image) -> Tensor:
        """Rescale the shorter side, crop the center and normalize as CLIP does, [3, side, side]."""
        cropped = crop_center(image, self.side)
        pixels: Tensor = functional.to_dtype(functional.pil_to_tensor(cropped), scale=True)
        normalized: Tensor = functional.normalize(pixels, list(MEAN), list(DEVIATION))
        return normalized

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Compute tokens [K, d, cells] of both sizes from pixels [K, 3, side, side]."""
        half = interpolate(pixels, scale_factor=0.5, mode="bicubic", antialias=True)
        return [self.embedding(size).flatten(2) for size in (pixels, half)]

    def save(self, folder: Path) -> None:
        """Write the configuration of the CLIP."""
        self.config.save_pretrained(folder)


def crop_center(image: Image.Image, side: int) -> Image.Image:
    """Rescale the shorter side of an image to `side` and crop its center, as CLIP's first image processor did.

    Source: transformers 4.11, as in zjunlp/MKGformer; later versions begin the crop a pixel earlier for some sizes.
    """
    width, height = image.size
    shorter = min(width, height)
    width, height = (side if length == shorter else int(side * length / shorter) for length in (width, height))
    resized = image.resize((width, height), Image.Resampling.BICUBIC)
    left, top = (int((length - side + 1) * 0.5) for length in (width, height))
    return resized.crop((left, top, left + side, top + side))
