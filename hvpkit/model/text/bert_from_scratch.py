"""Small BERT without download: random weights, and a vocabulary trained on the training text."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.trainers import WordPieceTrainer
from transformers import AutoModel, BertTokenizer, ModernBertConfig, PreTrainedModel, PreTrainedTokenizerBase

from hvpkit.errors import ComponentError
from hvpkit.interfaces import EncodedText, Prefix, TextBatch, TextContext, TextStates, Trace
from hvpkit.model.text.hugging_face import HuggingFaceEncoder, TokenizationStyle, load_encoder
from hvpkit.model.text.input_layout import MARKERS
from hvpkit.model.text.prefix_attention import PREFIX_ATTENTION
from hvpkit.model.text.word_masking import WordMasking, WordMaskingConfig

POSITIONS = 512
DROPOUT = 0.1
EVERY_LAYER: dict[str, Any] = {"global_attn_every_n_layers": 1}  # no layer with local attention
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True)
class SmallBertConfig:
    """Dimensions of a small BERT.

    Attributes:
        width: Width d of the states.
        layers: Layers N.
        heads: Attention heads H.
        vocabulary: Maximum number of wordpieces.
    """

    width: int
    layers: int
    heads: int
    vocabulary: int


class BertFromScratch(HuggingFaceEncoder):
    """Small BERT that masks words in training.

    Args:
        model: The transformer.
        tokenizer: Its tokenizer.
        style: How text is tokenized.
        masking: How words are masked in training.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        style: TokenizationStyle,
        masking: WordMaskingConfig,
    ) -> None:
        super().__init__(model, tokenizer, style, random=True)
        self.hide = WordMasking(tokenizer, masking)

    def restrict_vocabulary(self, texts: Iterable[EncodedText]) -> None:
        """Keep all rows trainable, since masking may replace a wordpiece by any other."""

    def forward(self, text: TextBatch, prefix: Prefix | None = None, trace: Trace | None = None) -> TextStates:
        """Compute states [B, T, d] and pooled [B, d]; words are masked in training."""
        return super().forward(self.hide(text), prefix, trace)


def build_bert(
    context: TextContext, shape: SmallBertConfig, masking: WordMaskingConfig, markers: bool
) -> HuggingFaceEncoder:
    """Build a small BERT and train its vocabulary on `context.examples`; or load both from a saved folder.

    The architecture is that of ModernBERT (pre-norm, rotary positions), which learns faster from few examples than
    BERT.

    Args:
        context: What the encoder is built from.
        shape: Dimensions.
        masking: How words are masked in training.
        markers: Place marker tokens around head and tail entity (MRE only).

    Raises:
        ComponentError: "width-not-divisible", or "vocabulary-without-examples" without training text.

    Source: Warner et al. 2024 (ModernBERT).
    """
    style = TokenizationStyle(MARKERS if markers and context.task == "mre" else ())
    if context.folder is not None:
        return load_encoder(context, name=str(context.folder), random=True, style=style)
    if shape.width % (2 * shape.heads):
        raise ComponentError(
            "width-not-divisible",
            encoder="bert-from-scratch",
            width=shape.width,
            heads=shape.heads,
            multiple=2 * shape.heads,
        )
    tokenizer = train_wordpiece_vocabulary(context, "bert-from-scratch", shape.vocabulary)
    cls_id, sep_id = tokenizer.cls_token_id, tokenizer.sep_token_id
    config = ModernBertConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=2 * shape.width,
        max_position_embeddings=POSITIONS,
        **EVERY_LAYER,
        embedding_dropout=DROPOUT,
        attention_dropout=DROPOUT,
        mlp_dropout=DROPOUT,
        pad_token_id=tokenizer.pad_token_id,
        cls_token_id=cls_id,
        bos_token_id=cls_id,
        sep_token_id=sep_id,
        eos_token_id=sep_id,
    )
    model = AutoModel.from_config(config, attn_implementation=PREFIX_ATTENTION, dtype=torch.float32)
    return BertFromScratch(model, tokenizer, style, masking)


def train_wordpiece_vocabulary(context: TextContext, encoder: str, size: int) -> BertTokenizer:
    """Train a WordPiece vocabulary on the training examples.

    Args:
        context: What the encoder is built from.
        encoder: Name of the encoder, for the error message.
        size: Maximum number of wordpieces.

    Raises:
        ComponentError: "vocabulary-without-examples" without training examples.
    """
    if not context.examples:
        raise ComponentError("vocabulary-without-examples", encoder=f"text encoder {encoder!r}")
    return train_tokenizer([" ".join(example.words) for example in context.examples], size)


def train_tokenizer(texts: Sequence[str], size: int) -> BertTokenizer:
    """Train a WordPiece vocabulary on texts; the result is deterministic.

    Capitalized words are counted once each, so that all names are split into wordpieces, frequent or not. Words of
    frequent characters or English letters can always be encoded. The trainer of tokenizers numbers the characters
    inside of words in the order of a hash map and breaks ties by these numbers, so they are passed as special tokens
    in a fixed order.

    Args:
        texts: Training texts.
        size: Maximum number of wordpieces.
    """
    blank = BertTokenizer(vocab={token: i for i, token in enumerate(SPECIALS)}, do_lower_case=False)
    splitter = blank.backend_tokenizer
    words = [
        word
        for text in texts
        for word, _ in splitter.pre_tokenizer.pre_tokenize_str(splitter.normalizer.normalize_str(text))
    ]
    counts = Counter(dict.fromkeys(string.ascii_letters, 0))
    counts.update(character for word in words for character in word)
    frequent = set(sorted(counts, key=lambda character: (-counts[character], character))[: size // 4])
    words = [word for word in words if frequent.issuperset(word)]
    trainer = WordPieceTrainer(
        vocab_size=size,
        special_tokens=[*SPECIALS, *(f"##{character}" for character in sorted(frequent))],
        initial_alphabet=sorted(frequent),
        limit_alphabet=len(frequent),
        min_frequency=2,
        show_progress=False,
    )
    trained = Tokenizer(WordPiece(unk_token="[UNK]"))
    trained.pre_tokenizer = WhitespaceSplit()
    trained.train_from_iterator(_each_name_once(words), trainer)
    return BertTokenizer(vocab=trained.get_vocab(), do_lower_case=False)


def _each_name_once(words: Sequence[str]) -> list[str]:
    """Remove repetitions of capitalized words."""
    names = dict.fromkeys(word for word in words if word[:1].isupper())
    return [*(word for word in words if not word[:1].isupper()), *names]
