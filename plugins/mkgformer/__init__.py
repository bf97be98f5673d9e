"""MKGformer: the last layers of BERT and CLIP run side by side and exchange states (Chen et al. 2022b).

"Hybrid Transformer with Multi-level Fusion for Multimodal Knowledge Graph Completion", SIGIR 2022, for entities and
relations. Certain, by reading and running the authors' code (zjunlp/MKGformer), whose numbers
tests/plugins/test_mkgformer_golden.py compares with: four fused layers, guided by the text's keys and values of the
layer before; correlation from the output of a whole CLIP layer; GELU. The paper writes the keys of the same layer,
ReLU, and, as recalled, three fused layers. Own: padding of the text is hidden from the image (`pads_seen` shows it, as
the code does), missing crops are masked (`vision.missing: zeros` reads them as zeros, as the code does), an example
without any crop is read as text alone (there: class token and positions), backbones other than CLIP, and layers without
pretraining. `train.freeze_head` keeps the classifier of relations at its random weights, as the code does by mistake.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from hvpkit.config.option_types import PositiveInt
from hvpkit.hookspecs import Register, hookimpl

from . import messages  # noqa: F401 - adds the templates

if TYPE_CHECKING:
    from hvpkit.interfaces import Fusion, FusionContext


@hookimpl
def register_fusions(register: Register) -> None:
    """Register the fusion, for text encoders whose layers accept inputs."""
    register("m-encoder", m_encoder, needs={"images", "layers"})


def m_encoder(
    context: FusionContext,
    *,
    clip: str | None = None,
    num_fusion_layers: PositiveInt | None = None,
    pgi: bool = True,
    caf: bool = True,
    pads_seen: bool = False,
    levels: Literal["last", "all"] = "last",
) -> Fusion:
    """MKGformer's M-Encoder: CLIP and the text encoder side by side, fused in the last layers (Chen et al. 2022b).

    Args:
        context: Text encoder and backbone.
        clip: Hub id or local folder of a CLIP of the text encoder's sizes; by default new layers without pretraining.
        num_fusion_layers: Number of fused layers; by default the last 4, or all of a smaller encoder.
        pgi: Prefix-guided interaction: the image attends to the text's keys and values of the layer before.
        caf: Correlation-aware fusion: image tokens enter the feed-forward maps of the text. Without it the states are
            those of the text encoder alone.
        pads_seen: Show the padding of the text to the image, as the authors' code does; results then depend on the
            longest text of the batch.
        levels: Cells of the backbone's `last` level, or the channels of `all` levels; `clip-patches` has tokens of two
            sizes, which are read for the first three objects and for the others.

    Raises:
        ComponentError: "m-encoder-without-vision", "m-encoder-fusion-layers", "clip-sizes-differ" or
            "layers-unsupported".
        ModelFolderError: The CLIP is not found or cannot be loaded.

    Source: zjunlp/MKGformer.
    """
    from .fusion import MEncoder, MEncoderOptions

    return MEncoder(context, MEncoderOptions(clip, num_fusion_layers, pgi, caf, pads_seen, levels == "all"))
