"""A small BERT that needs no download: vocabulary learnt from the training text, random weights (our own)."""

from __future__ import annotations

import torch
from transformers import AutoModel, BertConfig, BertTokenizer

from hvpkit.contracts import TextContext
from hvpkit.errors import ComponentError
from hvpkit.text.hugging_face import HuggingFaceEncoder, open_hugging_face
from hvpkit.text.prefix_attention import NAME as PREFIX_ATTENTION

POSITIONS = 512
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def build_bert(context: TextContext, *, width: int, layers: int, heads: int, vocabulary: int, markers: bool) -> HuggingFaceEncoder:
    """Learn a WordPiece vocabulary from `context.examples` and make the encoder; from a saved folder, read both there.

    Raises ComponentError when the width does not split into the heads or there is no training text.
    """
    if context.folder is not None:
        return open_hugging_face(context, name=str(context.folder), random=True, markers=markers)
    if width % heads:
        raise ComponentError(f"text encoder 'bert-from-scratch': width {width} does not split into {heads} heads; make it a multiple")
    if not context.examples:
        raise ComponentError("text encoder 'bert-from-scratch' learns its vocabulary from training examples, and there are none")
    tokenizer = learn_tokenizer([" ".join(example.words) for example in context.examples], vocabulary)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        max_position_embeddings=POSITIONS,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = AutoModel.from_config(config, attn_implementation=PREFIX_ATTENTION, dtype=torch.float32)
    return HuggingFaceEncoder(model, tokenizer, markers and context.task == "mre")


def learn_tokenizer(texts: list[str], vocabulary: int) -> BertTokenizer:
    """Learn a lower-cased WordPiece vocabulary of at most `vocabulary` pieces."""
    blank = BertTokenizer(vocab={token: i for i, token in enumerate(SPECIALS)}, do_lower_case=True)
    learnt: BertTokenizer = blank.train_new_from_iterator(texts, vocab_size=vocabulary, show_progress=False)
    return learnt
