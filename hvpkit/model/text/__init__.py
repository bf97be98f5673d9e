"""Text encoders: map words to states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from hvpkit.config.option_types import PositiveInt, UnitInterval
from hvpkit.hookspecs import Register, hookimpl
from hvpkit.model.text.input_layout import MARKERS, RELEASED_MARKERS, UNUSED_MARKERS

if TYPE_CHECKING:
    from hvpkit.interfaces import TextContext, TextEncoder

PROVIDES = {"states", "pooled", "prefix", "layers", "wordpieces"}
MARKER_TOKENS = {False: (), True: MARKERS, "release": RELEASED_MARKERS, "unused": UNUSED_MARKERS}


@hookimpl
def register_text_encoders(register: Register) -> None:
    """Register the built-in text encoders."""
    register("hugging-face", build_hugging_face, provides=PROVIDES)
    register("bert-from-scratch", build_bert_from_scratch, provides=PROVIDES)


def build_hugging_face(
    context: TextContext,
    *,
    name: str,
    weights: Literal["pretrained", "random"] = "pretrained",
    markers: bool | Literal["release", "unused"] = True,
    layout: Literal["words", "wordpieces"] = "words",
) -> TextEncoder:
    """Hugging Face text encoder, by hub id or local folder.

    Args:
        context: What the encoder is built from.
        name: Hub id or local folder.
        weights: `pretrained`, or `random` for the architecture alone.
        markers: Place marker tokens around head and tail entity (MRE only); `release` for those of the released code,
            `unused` for `[unused0]` to `[unused3]` of BERT's vocabulary.
        layout: `words` keeps words whole, `wordpieces` truncates text as the released code does (input_layout.py).

    Raises:
        ModelFolderError: If the encoder cannot be found or loaded.

    Source: `release` and `wordpieces` from the code released with Chen et al. 2022.
    """
    from hvpkit.model.text.hugging_face import TokenizationStyle, load_encoder

    return load_encoder(
        context,
        name=name,
        random=weights == "random",
        style=TokenizationStyle(MARKER_TOKENS[markers], layout == "wordpieces"),
    )


def build_bert_from_scratch(
    context: TextContext,
    *,
    width: PositiveInt = 128,
    num_layers: PositiveInt = 4,
    num_attention_heads: PositiveInt = 4,
    vocab_size: PositiveInt = 1000,
    name_replacement: UnitInterval = 0.5,
    word_dropout: UnitInterval = 0.2,
    markers: bool = True,
) -> TextEncoder:
    """Small BERT with random weights and a WordPiece vocabulary trained on the training text (offline).

    Args:
        context: What the encoder is built from.
        width: Width d of the states.
        num_layers: Layers N.
        num_attention_heads: Attention heads H; d must be a multiple of 2*H.
        vocab_size: Maximum number of wordpieces.
        name_replacement: Fraction of the capitalized words that are replaced by random ones in training.
        word_dropout: Maximum fraction of the words of a sentence that are masked in training.
        markers: Place marker tokens around head and tail entity (MRE only).

    Raises:
        ComponentError: "width-not-divisible", or "vocabulary-without-examples" without training text.

    Source: own.
    """
    from hvpkit.model.text.bert_from_scratch import SmallBertConfig, build_bert
    from hvpkit.model.text.word_masking import WordMaskingConfig

    return build_bert(
        context,
        SmallBertConfig(width, num_layers, num_attention_heads, vocab_size),
        WordMaskingConfig(name_replacement, word_dropout),
        markers,
    )
