"""Text encoders and what stands between words and positions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from hvpkit.config.option_types import PositiveInt, UnitInterval
from hvpkit.hookspecs import Register, hookimpl
from hvpkit.model.text.input_layout import MARKERS, RELEASED_MARKERS

if TYPE_CHECKING:
    from hvpkit.interfaces import TextContext, TextEncoder

PROVIDES = {"states", "pooled", "prefix"}
MARKER_TOKENS = {False: (), True: MARKERS, "release": RELEASED_MARKERS}


@hookimpl
def register_text_encoders(register: Register) -> None:
    """Register the built-in encoders."""
    register("hugging-face", build_hugging_face, provides=PROVIDES)
    register("bert-from-scratch", build_bert_from_scratch, provides=PROVIDES)


def build_hugging_face(
    context: TextContext,
    *,
    name: str,
    weights: Literal["pretrained", "random"] = "pretrained",
    markers: bool | Literal["release"] = True,
    layout: Literal["words", "wordpieces"] = "words",
) -> TextEncoder:
    """Any Hugging Face text encoder, by hub id or local folder.

    `weights: random` takes the architecture alone. `markers` puts marker tokens around head and tail (MRE only), `release` those of the
    release of Chen et al. 2022. `layout: wordpieces` lays text out as the release does (hvpkit/model/text/input_layout.py). Raises
    ModelFolderError when the encoder cannot be found or opened.
    """
    from hvpkit.model.text.hugging_face import TokenizationStyle, load_encoder

    return load_encoder(
        context, name=name, random=weights == "random", style=TokenizationStyle(MARKER_TOKENS[markers], layout == "wordpieces")
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
    """A small BERT with random weights and a WordPiece vocabulary learnt from the training text (our own; offline).

    In training a share `disguised` of the words with a capital look like names that were never seen, and up to a share `masked` of a
    sentence's words is hidden. Raises ComponentError when the width does not split into the heads.
    """
    from hvpkit.model.text.bert_from_scratch import SmallBertConfig, build_bert
    from hvpkit.model.text.word_masking import WordMaskingConfig

    return build_bert(
        context,
        SmallBertConfig(width, num_layers, num_attention_heads, vocab_size),
        WordMaskingConfig(name_replacement, word_dropout),
        markers,
    )
