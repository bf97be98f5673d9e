"""Word masking in training, so that an encoder learns to use the context and the images."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from hvpkit.interfaces import TextBatch


@dataclass(frozen=True)
class WordMaskingConfig:
    """How words are masked in training.

    Attributes:
        name_replacement: Fraction of the capitalized words that are replaced by random ones.
        word_dropout: Maximum fraction of the words of a sentence that are masked.
    """

    name_replacement: float
    word_dropout: float


class WordMasking(nn.Module):
    """Replace names and mask words of a text in training.

    A fraction of the capitalized words, which are mostly names, is replaced: each wordpiece becomes a random one of the
    same kind (capitalized or inside of a word), as in an unseen name. The fraction of masked words is drawn for each
    sentence between 0 and `word_dropout`.

    Args:
        tokenizer: The tokenizer.
        config: How words are masked.

    Source: own, after the word dropout of Bowman et al. 2016, "Generating sentences from a continuous space".
    """

    capitals: Tensor
    insides: Tensor
    is_capital: Tensor
    is_inside: Tensor

    def __init__(self, tokenizer: PreTrainedTokenizerBase, config: WordMaskingConfig) -> None:
        super().__init__()
        self.config, self.mask = config, int(tokenizer.mask_token_id)
        wordpieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
        is_capital = torch.tensor([_is_capital(wordpiece) for wordpiece in wordpieces])
        is_inside = torch.tensor([_is_inside(wordpiece) for wordpiece in wordpieces])
        self.register_buffer("is_capital", is_capital, persistent=False)
        self.register_buffer("is_inside", is_inside, persistent=False)
        self.register_buffer("capitals", is_capital.nonzero()[:, 0], persistent=False)
        self.register_buffer("insides", is_inside.nonzero()[:, 0], persistent=False)

    def forward(self, text: TextBatch) -> TextBatch:
        """Return the text with masked words in training, else unchanged."""
        if not self.training:
            return text
        return replace(text, features={**text.features, "input_ids": self.mask_ids(text)})

    def mask_ids(self, text: TextBatch) -> Tensor:
        """Compute wordpiece ids [B, T] with replaced names and masked words."""
        ids = text.features["input_ids"]
        chance = torch.rand(2, *text.word_starts.shape, device=ids.device)  # [2, B, n]
        is_name = self.is_capital[ids.gather(1, text.word_starts)]
        replaced = _to_wordpieces(text, is_name & (chance[0] < self.config.name_replacement))
        for pool, belongs in ((self.capitals, self.is_capital), (self.insides, self.is_inside)):
            if len(pool):
                other = pool[torch.randint(len(pool), ids.shape, device=ids.device)]
                ids = torch.where(replaced & belongs[ids], other, ids)
        fraction = self.config.word_dropout * torch.rand(len(ids), 1, device=ids.device)  # [B, 1]
        return ids.masked_fill(_to_wordpieces(text, chance[1] < fraction), self.mask)


def _is_capital(wordpiece: str) -> bool:
    return wordpiece[:1].isupper()


def _is_inside(wordpiece: str) -> bool:
    return wordpiece.startswith("##")


def _to_wordpieces(text: TextBatch, words: Tensor) -> Tensor:
    """Expand a mask of words [B, n] to wordpieces [B, T]; special tokens belong to no word."""
    return words.gather(1, text.word_ids.clamp(min=0)) & (text.word_ids >= 0)
