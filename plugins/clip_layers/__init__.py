"""CLIP for fusions that run the layers of a vision transformer next to those of the text encoder.

The backbone `clip-patches` computes CLIP's patch embeddings of object crops; `VisionLayers` has CLIP's other layers,
which such a fusion owns and runs. Both MKGformer and IFAformer read crops in this way (zjunlp/MKGformer,
zjunlp/DeepKE): three of 128 x 128 pixels, 16 patches each, and three of 64 x 64 pixels, 4 patches each. Certain, by
reading their code: the sizes, the crop of the center, the normalization, and that neither CLIP's own positions nor the
full image are used. Own: the smaller crops are computed from the pixels of the larger ones (there: from the image);
both kinds of crops are the objects of one example (there: of a visual grounding model and of a detector); and the use
of other backbones and of layers without pretraining.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hvpkit.hookspecs import Register, hookimpl

from . import messages  # noqa: F401 - adds the templates

if TYPE_CHECKING:
    from hvpkit.interfaces import VisionContext, VisualBackbone


@hookimpl
def register_visual_backbones(register: Register) -> None:
    """Register the backbone."""
    register("clip-patches", clip_patches)


def clip_patches(context: VisionContext, *, weights: str, name: str | None = None) -> VisualBackbone:
    """CLIP's patch embeddings of crops in two sizes, 128 and 64 pixels by default.

    Args:
        context: Side of the larger crops, or the folder of a saved backbone.
        weights: Hub id or local folder of a CLIP; `random` for the sizes of `name`, or of ViT-B/32 without a name.
        name: Hub id or local folder of the architecture, if it is not that of `weights`.

    Raises:
        ComponentError: "clip-crop-not-divisible" if the side is no multiple of two patches.
        ModelFolderError: The CLIP is not found or cannot be loaded.

    Source: zjunlp/MKGformer, zjunlp/DeepKE.
    """
    from .backbone import load_patches

    return load_patches(context, weights=weights, name=name)
