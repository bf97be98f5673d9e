"""VisualBERT: one BERT over the pieces of the text and the regions of the image (Li et al. 2019), for entities and relations.

"VisualBERT: A Simple and Performant Baseline for Vision and Language". An encoder (`visualbert` opens a checkpoint,
`visualbert-from-scratch` makes a small one), the fusion that hands it regions, and a backbone whose features are those of a detector's
box head. The settings of the recipes are read in the code of Chen et al. 2020 ("Can images help recognize entities?",
jinlanfu/NERmultimodal), which the paper names as its source; widths of regions other than 1024 (nlvr2) are recalled, not verified. Our
own: tags of words and Viterbi decoding, the mask of regions right after the padded text, regions by torchvision, a start from plain
BERT, and the use for relations.
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
    """Register both encoders; they read regions beside the text."""
    for name, factory in (("visualbert", visualbert), ("visualbert-from-scratch", visualbert_from_scratch)):
        register(name, factory, provides={"states", "pooled", "regions"})


@hookimpl
def register_fusions(register: Register) -> None:
    """Register the fusion, for encoders that read regions."""
    register("visualbert", single_stream, needs={"images", "regions"}, provides={"states", "pooled"})


@hookimpl
def register_visual_backbones(register: Register) -> None:
    """Register the backbone of detectors."""
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
    """VisualBERT by hub id or folder, or started from a plain BERT with new region embeddings (Li et al. 2019).

    `tokenizer` is a hub id or folder where the checkpoint has none of its own, as the published ones; `region_width` is the width of a
    region's features that a new projection takes (1024), where there is no VisualBERT checkpoint. Raises ModelFolderError when one of
    them cannot be found or opened.
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
    """A small VisualBERT with random weights and a WordPiece vocabulary learnt from the training text (our own; offline).

    In training it hides words as `bert-from-scratch` does; `region_width` is the width of a region's features. Raises ComponentError when
    the width does not split into the heads.
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
    """One transformer reads pieces and regions together; the pieces' states are kept (Li et al. 2019).

    Regions are the cells of the backbone's last level, or with `levels: all` of all levels (our own). Features of another width than the
    checkpoint's go through a new linear map (our own).
    """
    from .fusion import SingleStream

    return SingleStream(context, levels == "all")


def object_roi(context: VisionContext, *, weights: str = "coco", detector: Detector = "maskrcnn-resnet50-fpn") -> VisualBackbone:
    """Each image or crop as one region of a torchvision detector: the 1024 features of its box head.

    `weights` are `coco`, `random`, or a state dict's file. The crop stands for the detected box, read by itself, so that no detector is
    needed once objects are found (our own). Raises ModelFolderError when the weights cannot be had.
    """
    from .box_head import load_object_roi

    return load_object_roi(context, detector=detector, weights=weights)
