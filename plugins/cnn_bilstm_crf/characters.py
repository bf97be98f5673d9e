"""What a word looks like: a convolution over its characters, and for each filter the largest value."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hvpkit.model.text.word_embedding import init_uniform

LONGEST = 50  # characters of a word that are read, so that a link does not make a batch as wide as it is (our own)


class CharacterCnn(nn.Module):
    """Characters [K, W] of K words to [K, width]: vectors, dropout, convolutions of width 3, the largest value over W (Ma & Hovy 2016).

    With two layers the first has four times the filters, and ELU (the authors' later release). Padding is in no window's maximum.
    """

    def __init__(self, size: int, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.vectors = init_uniform(nn.Embedding(size, width, padding_idx=0))
        self.dropout = nn.Dropout(dropout)
        widths = [width, *[4 * width] * (layers - 1), width]
        self.layers = nn.ModuleList(nn.Conv1d(before, after, 3, padding=1) for before, after in zip(widths, widths[1:], strict=False))
        self.width = width

    def forward(self, characters: Tensor) -> Tensor:
        """Read each word's characters."""
        real = (characters > 0)[:, None]  # [K, 1, W]
        maps = self.dropout(self.vectors(characters)).transpose(1, 2)  # [K, width, W]
        for number, layer in enumerate(self.layers):
            maps = layer((nn.functional.elu(maps) if number else maps) * real)
        largest: Tensor = maps.masked_fill(~real, -torch.inf).amax(2)
        return largest
