"""Hiding words in training, so that an encoder learns from what stands around them, and looks at images (our own)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from hvpkit.interfaces import TextBatch


@dataclass(frozen=True)
class WordMaskingConfig:
    """The shares of names to disguise and of words to mask."""

    name_replacement: float
    word_dropout: float


class WordMasking(nn.Module):
    """Disguises names and masks words of a text, in training alone.

    A share of the words with a capital, which are mostly names, is name_replacement: each piece becomes a random one of its kind, as in a name
    that was never seen. Of all words a share is masked that differs from sentence to sentence, between none and `masked` (after the word
    dropout of Bowman et al. 2016, "Generating sentences from a continuous space").
    """

    capitals: Tensor
    insides: Tensor
    is_capital: Tensor
    is_inside: Tensor

    def __init__(self, tokenizer: PreTrainedTokenizerBase, shares: WordMaskingConfig) -> None:
        super().__init__()
        self.shares, self.mask = shares, int(tokenizer.mask_token_id)
        pieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
        is_capital, is_inside = (torch.tensor([says(piece) for piece in pieces]) for says in (_is_capital, _is_inside))
        self.register_buffer("is_capital", is_capital, persistent=False)
        self.register_buffer("is_inside", is_inside, persistent=False)
        self.register_buffer("capitals", is_capital.nonzero()[:, 0], persistent=False)
        self.register_buffer("insides", is_inside.nonzero()[:, 0], persistent=False)

    def forward(self, text: TextBatch) -> TextBatch:
        """Give the text with its pieces hidden, in training; otherwise as it is."""
        return replace(text, features={**text.features, "input_ids": self.mask_ids(text)}) if self.training else text

    def mask_ids(self, text: TextBatch) -> Tensor:
        """Give the pieces [B, T] with names name_replacement and words masked."""
        ids = text.features["input_ids"]
        chance = torch.rand(2, *text.word_starts.shape, device=ids.device)  # [2, B, n]
        named = self.is_capital[ids.gather(1, text.word_starts)]
        name_replacement = _pieces(text, named & (chance[0] < self.shares.name_replacement))
        for pool, belongs in ((self.capitals, self.is_capital), (self.insides, self.is_inside)):
            if len(pool):
                other = pool[torch.randint(len(pool), ids.shape, device=ids.device)]
                ids = torch.where(name_replacement & belongs[ids], other, ids)
        share = self.shares.word_dropout * torch.rand(len(ids), 1, device=ids.device)
        return ids.masked_fill(_pieces(text, chance[1] < share), self.mask)


def _is_capital(piece: str) -> bool:
    return piece[:1].isupper()


def _is_inside(piece: str) -> bool:
    return piece.startswith("##")


def _pieces(text: TextBatch, words: Tensor) -> Tensor:
    """Spread a choice of words [B, n] to their pieces [B, T]; specials and markers are in no word."""
    return words.gather(1, text.word_of.clamp(min=0)) & (text.word_of >= 0)
