"""Character CNN: a convolution over the characters of a word, max-pooled."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hvpkit.model.text.word_embedding import init_uniform

MAX_CHARACTERS = 50  # of a word (own), so that a link does not pad the whole batch to its length


class CharacterCnn(nn.Module):
    """Vectors, dropout, convolutions of width 3 and max-pooling: characters [K, W] of K words to [K, width].

    With two layers the first has four times the filters, and ELU follows it. Padding is not part of a maximum.

    Args:
        num_characters: Size of the character vocabulary, padding included.
        width: Width of a character vector and of the result.
        num_layers: Number of convolutions, 1 or 2.
        dropout: Dropout probability of character vectors.

    Source: Ma & Hovy 2016; XuezheMax/NeuroNLP2 for two layers.
    """

    def __init__(self, num_characters: int, width: int, num_layers: int, dropout: float) -> None:
        super().__init__()
        self.vectors = init_uniform(nn.Embedding(num_characters, width, padding_idx=0))
        self.dropout = nn.Dropout(dropout)
        widths = [width, *[4 * width] * (num_layers - 1), width]
        pairs = zip(widths, widths[1:], strict=False)
        self.layers = nn.ModuleList(nn.Conv1d(before, after, 3, padding=1) for before, after in pairs)
        self.width = width

    def forward(self, characters: Tensor) -> Tensor:
        """Compute a vector per word, [K, width], from character ids [K, W]; 0 is padding."""
        is_character = (characters > 0)[:, None]  # [K, 1, W]
        maps = self.dropout(self.vectors(characters)).transpose(1, 2)  # [K, width, W]
        for number, layer in enumerate(self.layers):
            maps = layer((nn.functional.elu(maps) if number else maps) * is_character)
        largest: Tensor = maps.masked_fill(~is_character, -torch.inf).amax(2)
        return largest
