"""VisualBERT: one BERT over the wordpieces of the text and the regions of the image (Li et al. 2019).

"VisualBERT: A Simple and Performant Baseline for Vision and Language". An encoder (`visualbert` loads a checkpoint,
`visualbert-from-scratch` builds a small one), the fusion that passes regions to it, and a backbone with the features
of a detector's box head. The settings of the recipes are those of the code of Chen et al. 2020 ("Can images help
recognize entities?", jinlanfu/NERmultimodal), which the paper names as its source. Region widths other than 1024
(nlvr2) are recalled, not verified. Own: tags of words and Viterbi decoding, the mask of regions directly after the
padded text, regions by torchvision, initialization from plain BERT, and the use for relations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from hvpkit.config.option_types import PositiveInt, UnitInterval
from hvpkit.hookspecs import Register, hookimpl

from . import messages  # noqa: F401 - adds the templates

if TYPE_CHECKING:
    from hvpkit.interfaces import Fusion, FusionContext, TextContext, TextEncoder, VisionContext, VisualBackbone

Detector = Literal[
    "fasterrcnn-resnet50-fpn",
    "fasterrcnn-resnet50-fpn-v2",
    "fasterrcnn-mobilenet-v3-large-fpn",
    "maskrcnn-resnet50-fpn",
    "maskrcnn-resnet50-fpn-v2",
]


@hookimpl
def register_text_encoders(register: Register) -> None:
    """Register both encoders, which read regions together with the text."""
    for name, factory in (("visualbert", visualbert), ("visualbert-from-scratch", visualbert_from_scratch)):
        register(name, factory, provides={"states", "pooled", "regions"})


@hookimpl
def register_fusions(register: Register) -> None:
    """Register the fusion, for encoders that read regions."""
    register("visualbert", single_stream, needs={"images", "regions"}, provides={"states", "pooled"})


@hookimpl
def register_visual_backbones(register: Register) -> None:
    """Register the backbone with a detector's box head."""
    register("object-roi", object_roi)


def visualbert(
    context: TextContext,
    *,
    name: str,
    tokenizer: str | None = None,
    weights: Literal["pretrained", "random"] = "pretrained",
    region_width: PositiveInt | None = None,
    markers: bool = True,
) -> TextEncoder:
    """VisualBERT by hub id or folder, or initialized from a plain BERT (Li et al. 2019).

    Args:
        context: Task, or the folder of a saved model.
        name: Hub id or folder of a VisualBERT or a BERT; for a BERT the region embeddings are new.
        tokenizer: Hub id or folder of the tokenizer, for checkpoints without one, such as the published ones.
        weights: `pretrained` weights, or `random` ones of the same sizes.
        region_width: Width of region features, for a BERT; 1024 by default.
        markers: Add marker tokens around head and tail, for relations.

    Raises:
        ModelFolderError: Checkpoint or tokenizer is not found, cannot be loaded, or they do not fit.

    Source: Li et al. 2019; transformers' VisualBertModel.
    """
    from .checkpoint import Checkpoint, load_visualbert

    return load_visualbert(context, Checkpoint(name, tokenizer, weights == "random", region_width), markers)


def visualbert_from_scratch(
    context: TextContext,
    *,
    width: PositiveInt = 128,
    num_layers: PositiveInt = 4,
    num_attention_heads: PositiveInt = 4,
    vocab_size: PositiveInt = 1000,
    region_width: PositiveInt = 128,
    name_replacement: UnitInterval = 0.5,
    word_dropout: UnitInterval = 0.2,
    markers: bool = True,
) -> TextEncoder:
    """Small VisualBERT with random weights and a WordPiece vocabulary of the training text; no download.

    Args:
        context: Task, training examples, or the folder of a saved model.
        width: Width d of the states.
        num_layers: Number of layers.
        num_attention_heads: Number of attention heads; it divides the width.
        vocab_size: Number of wordpieces.
        region_width: Width of region features.
        name_replacement: Fraction of capitalized words that become random ones in training.
        word_dropout: Fraction of words that are masked in training.
        markers: Add marker tokens around head and tail, for relations.

    Raises:
        ComponentError: "visualbert-width-not-divisible", or there is no training text.

    Source: own.
    """
    from hvpkit.model.text.bert_from_scratch import SmallBertConfig
    from hvpkit.model.text.word_masking import WordMaskingConfig

    from .from_scratch import build_visualbert

    return build_visualbert(
        context,
        SmallBertConfig(width, num_layers, num_attention_heads, vocab_size),
        region_width,
        WordMaskingConfig(name_replacement, word_dropout),
        markers,
    )


def single_stream(context: FusionContext, *, levels: Literal["last", "all"] = "last") -> Fusion:
    """VisualBERT: one transformer over wordpieces and regions; returns the states of the text (Li et al. 2019).

    Args:
        context: Text encoder and backbone. Region features of another width than the encoder's pass through a new
            linear map.
        levels: Cells of the backbone's `last` level, or the channels of `all` levels.

    Raises:
        ComponentError: "visualbert-without-vision".

    Source: Li et al. 2019; own: the linear map, and `levels: all`.
    """
    from .fusion import SingleStream

    return SingleStream(context, levels == "all")


def object_roi(
    context: VisionContext, *, weights: str = "coco", detector: Detector = "maskrcnn-resnet50-fpn"
) -> VisualBackbone:
    """Box-head features of a torchvision detector, 1024 per image or crop.

    The crop of a detected object takes the place of its box in the image, so the detector does not run again.

    Args:
        context: Image size, or the folder of a saved model.
        weights: `coco`, `random`, or the file of a state dict.
        detector: Name of a torchvision detector.

    Raises:
        ModelFolderError: The weights are not found or do not fit.

    Source: own, after jinlanfu/NERmultimodal.
    """
    from .box_head import load_object_roi

    return load_object_roi(context, detector=detector, weights=weights)
