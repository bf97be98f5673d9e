"""A small BERT that needs no download: vocabulary learnt from the training text, random weights (our own)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.trainers import WordPieceTrainer
from transformers import AutoModel, BertConfig, BertTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from hvpkit.contracts import Prefix, TextBatch, TextContext, TextStates, Trace
from hvpkit.errors import ComponentError
from hvpkit.text.hugging_face import HuggingFaceEncoder, open_hugging_face
from hvpkit.text.prefix_attention import NAME as PREFIX_ATTENTION

POSITIONS = 512
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True)
class BertShape:
    """Width d, layers N, heads H, pieces in the vocabulary at most, whether letters lose their case, the share of words to mask."""

    width: int
    layers: int
    heads: int
    vocabulary: int
    lowercase: bool
    masked: float


class BertFromScratch(HuggingFaceEncoder):
    """The encoder; in training a share of the words is replaced by [MASK], all of its pieces (word dropout, as in Bowman et al. 2016)."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, markers: bool, masked: float) -> None:
        super().__init__(model, tokenizer, markers)
        self.masked = masked

    def forward(self, text: TextBatch, prefix: Prefix | None = None, trace: Trace | None = None) -> TextStates:
        """Give states [B, T, d] and pooled [B, d]."""
        if self.training and self.masked:
            hidden = torch.rand(text.word_starts.shape, device=text.mask.device) < self.masked  # [B, n]
            hidden = hidden.gather(1, text.word_of.clamp(min=0)) & (text.word_of >= 0)  # [B, T]
            ids = text.features["input_ids"].masked_fill(hidden, self.tokenizer.mask_token_id)
            text = replace(text, features={**text.features, "input_ids": ids})
        return super().forward(text, prefix, trace)


def build_bert(context: TextContext, shape: BertShape, markers: bool) -> HuggingFaceEncoder:
    """Learn a WordPiece vocabulary from `context.examples` and make the encoder; from a saved folder, read both there.

    Raises ComponentError when the width does not split into the heads or there is no training text.
    """
    if context.folder is not None:
        return open_hugging_face(context, name=str(context.folder), random=True, markers=markers)
    if shape.width % shape.heads:
        raise ComponentError(
            f"text encoder 'bert-from-scratch': width {shape.width} does not split into {shape.heads} heads; make it a multiple"
        )
    if not context.examples:
        raise ComponentError("text encoder 'bert-from-scratch' learns its vocabulary from training examples, and there are none")
    tokenizer = learn_tokenizer([" ".join(example.words) for example in context.examples], shape)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=4 * shape.width,
        max_position_embeddings=POSITIONS,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = AutoModel.from_config(config, attn_implementation=PREFIX_ATTENTION, dtype=torch.float32)
    return BertFromScratch(model, tokenizer, markers and context.task == "mre", shape.masked)


def learn_tokenizer(texts: Sequence[str], shape: BertShape) -> BertTokenizer:
    """Learn a WordPiece vocabulary from texts, always the same from the same texts.

    The library's trainer numbers characters within words in the order of a hash map and breaks ties by these numbers: they are given.
    Words with rare characters are left out of the learning.
    """
    blank = BertTokenizer(vocab={token: i for i, token in enumerate(SPECIALS)}, do_lower_case=shape.lowercase)
    splitter = blank.backend_tokenizer
    words = [word for text in texts for word, _ in splitter.pre_tokenizer.pre_tokenize_str(splitter.normalizer.normalize_str(text))]
    counts = Counter(character for word in words for character in word)
    frequent = set(sorted(counts, key=lambda character: (-counts[character], character))[: shape.vocabulary // 4])
    words = [word for word in words if frequent.issuperset(word)]
    inner = sorted({character for word in words for character in word[1:]})
    trainer = WordPieceTrainer(
        vocab_size=shape.vocabulary,
        special_tokens=[*SPECIALS, *(f"##{character}" for character in inner)],
        limit_alphabet=len(frequent),
        show_progress=False,
    )
    learner = Tokenizer(WordPiece(unk_token="[UNK]"))
    learner.pre_tokenizer = WhitespaceSplit()
    learner.train_from_iterator(words, trainer)
    return BertTokenizer(vocab=learner.get_vocab(), do_lower_case=shape.lowercase)
