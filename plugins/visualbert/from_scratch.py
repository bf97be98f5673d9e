"""Small VisualBERT that needs no download."""

from __future__ import annotations

from transformers import VisualBertConfig

from hvpkit.errors import ComponentError
from hvpkit.interfaces import TextContext
from hvpkit.model.text.bert_from_scratch import POSITIONS, SmallBertConfig, train_wordpiece_vocabulary
from hvpkit.model.text.hugging_face import load_tokenizer
from hvpkit.model.text.input_layout import MARKERS
from hvpkit.model.text.word_masking import WordMaskingConfig

from .checkpoint import build_random
from .encoder import VisualBertEncoder

NAME = "visualbert-from-scratch"


def build_visualbert(
    context: TextContext, shape: SmallBertConfig, region_width: int, masking: WordMaskingConfig, markers: bool
) -> VisualBertEncoder:
    """Train a vocabulary on the training text and build the encoder; for a saved model, load both.

    Args:
        context: Task, training examples, or the folder of a saved model.
        shape: Sizes of the network.
        region_width: Width of region features.
        masking: Masking of words in training.
        markers: Add marker tokens around head and tail, for relations.

    Raises:
        ComponentError: "visualbert-width-not-divisible", or there is no training text.

    Source: own.
    """
    marker_tokens = MARKERS if markers and context.task == "mre" else ()
    if context.folder is not None:
        model = build_random(VisualBertConfig.from_pretrained(context.folder))
        return VisualBertEncoder(model, load_tokenizer(str(context.folder), True), marker_tokens, "random", masking)
    if shape.width % shape.heads:
        raise ComponentError("visualbert-width-not-divisible", encoder=NAME, width=shape.width, heads=shape.heads)
    tokenizer = train_wordpiece_vocabulary(context, NAME, shape.vocabulary)
    config = VisualBertConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=2 * shape.width,
        max_position_embeddings=POSITIONS,
        visual_embedding_dim=region_width,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.cls_token_id,
        eos_token_id=tokenizer.sep_token_id,
    )
    return VisualBertEncoder(build_random(config), tokenizer, marker_tokens, "random", masking)
