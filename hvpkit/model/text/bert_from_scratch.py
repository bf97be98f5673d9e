"""A small BERT that needs no download: vocabulary learnt from the training text, random weights (our own)."""

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
from hvpkit.model.text.prefix_attention import NAME as PREFIX_ATTENTION
from hvpkit.model.text.word_masking import WordMasking, WordMaskingConfig

POSITIONS = 512
DROPOUT = 0.1
EVERY_LAYER: dict[str, Any] = {"global_attn_every_n_layers": 1}  # no layer looks at its neighbourhood alone
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True)
class SmallBertConfig:
    """Width d, layers N, heads H, pieces in the vocabulary at most."""

    width: int
    layers: int
    heads: int
    vocabulary: int


class BertFromScratch(HuggingFaceEncoder):
    """The encoder; in training it hides words (hvpkit/model/text/word_masking.py)."""

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, style: TokenizationStyle, hiding: WordMaskingConfig
    ) -> None:
        super().__init__(model, tokenizer, style, random=True)
        self.hide = WordMasking(tokenizer, hiding)

    def restrict_vocabulary(self, texts: Iterable[EncodedText]) -> None:
        """Train all rows: in place of a hidden piece any other may stand."""

    def forward(self, text: TextBatch, prefix: Prefix | None = None, trace: Trace | None = None) -> TextStates:
        """Give states [B, T, d] and pooled [B, d]."""
        return super().forward(self.hide(text), prefix, trace)


def build_bert(context: TextContext, shape: SmallBertConfig, hiding: WordMaskingConfig, markers: bool) -> HuggingFaceEncoder:
    """Learn a WordPiece vocabulary from `context.examples` and make the encoder; from a saved folder, read both there.

    The architecture is ModernBERT's (Warner et al. 2024), which learns from few examples much sooner than BERT's: norms before each
    block, rotary positions. Raises ComponentError when the width does not split into the heads or there is no training text.
    """
    style = TokenizationStyle(MARKERS if markers and context.task == "mre" else ())
    if context.folder is not None:
        return load_encoder(context, name=str(context.folder), random=True, style=style)
    if shape.width % (2 * shape.heads):
        raise ComponentError(
            "width-not-divisible", encoder="bert-from-scratch", width=shape.width, heads=shape.heads, multiple=2 * shape.heads
        )
    tokenizer = train_wordpiece_vocabulary(context, "bert-from-scratch", shape.vocabulary)
    first, last = tokenizer.cls_token_id, tokenizer.sep_token_id
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
        cls_token_id=first,
        bos_token_id=first,
        sep_token_id=last,
        eos_token_id=last,
    )
    model = AutoModel.from_config(config, attn_implementation=PREFIX_ATTENTION, dtype=torch.float32)
    return BertFromScratch(model, tokenizer, style, hiding)


def train_wordpiece_vocabulary(context: TextContext, encoder: str, size: int) -> BertTokenizer:
    """Learn the vocabulary of the training examples for the encoder so named; raises ComponentError when there are none."""
    if not context.examples:
        raise ComponentError("vocabulary-without-examples", encoder=f"text encoder {encoder!r}")
    return train_tokenizer([" ".join(example.words) for example in context.examples], size)


def train_tokenizer(texts: Sequence[str], size: int) -> BertTokenizer:
    """Learn a WordPiece vocabulary of at most `size` pieces from texts, always the same from the same texts.

    Words with a capital count once each, so that none becomes a piece by itself: names fall into pieces, known or not. Any word of
    frequent characters, or of English letters, can be written. The library's trainer numbers characters within words in the order of a
    hash map and breaks ties by these numbers: they are given.
    """
    blank = BertTokenizer(vocab={token: i for i, token in enumerate(SPECIALS)}, do_lower_case=False)
    splitter = blank.backend_tokenizer
    words = [word for text in texts for word, _ in splitter.pre_tokenizer.pre_tokenize_str(splitter.normalizer.normalize_str(text))]
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
    learner = Tokenizer(WordPiece(unk_token="[UNK]"))
    learner.pre_tokenizer = WhitespaceSplit()
    learner.train_from_iterator(_each_name_once(words), trainer)
    return BertTokenizer(vocab=learner.get_vocab(), do_lower_case=False)


def _each_name_once(words: Sequence[str]) -> list[str]:
    return [*(word for word in words if not word[:1].isupper()), *dict.fromkeys(word for word in words if word[:1].isupper())]
