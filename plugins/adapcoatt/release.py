"""Co-attention and gates as the authors' released code computes them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .attention import ConcatAttention
from .layers import CoAttended


class ReleasedCoAttention(nn.Module):
    """States [B, T, 2d]: one multimodal vector per sentence, and a linear map of each word.

    Differences from the paper: cells are not projected by a tanh, attended cells are other projections than scored
    ones, attended words are the scored projections; the image gate reads a + c, and a linear map of [g a ; (1 - g) c]
    replaces the convex sum; the filtration gate reads the multimodal vector alone and scales it without a tanh.

    Args:
        width: Width d of the words' states, also that of all other vectors.
        channels: Channels C of a cell.

    Attributes:
        width: Width 2d of the fused states.

    Source: jinlanfu/NERmultimodal, `multimodal_ner.py`.
    """

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.width = 2 * width
        self.to_cells = ConcatAttention(width, bias=True, channels=channels)
        self.to_words = ConcatAttention(width, bias=True)
        self.region = nn.Linear(channels, width)
        self.cells, self.words, self.gate = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, 1)
        self.mix, self.filtration, self.word = nn.Linear(2 * width, width), nn.Linear(width, 1), nn.Linear(width, width)

    def forward(self, words: Tensor, cells: Tensor, word_mask: Tensor, cell_mask: Tensor) -> CoAttended:
        """Fuse words and cells; without cells the filtration gate is closed.

        Args:
            words: States [B, T, d].
            cells: Image cells [B, S, C]; S may be 0.
            word_mask: Positions that may be attended to, [B, T] bool.
            cell_mask: Cells that exist, [B, S] bool.
        """
        cell_weights = self.to_cells(words, cells, cell_mask)  # alpha [B, 1, S]
        attended_cells = cell_weights @ self.region(cells)  # [B, 1, d]
        values = self.to_words.key(words)  # [B, T, d]
        word_weights = self.to_words.weights(values, word_mask)  # beta [B, 1, T]
        attended_words = word_weights @ values
        image, text = self.cells(attended_cells).tanh(), self.words(attended_words).tanh()
        image_gate = self.gate(image + text).sigmoid()
        multimodal = self.mix(torch.cat([image_gate * image, (1 - image_gate) * text], dim=-1))  # m [B, 1, d]
        filtration = self.filtration(multimodal).sigmoid() * cell_mask.any(1)[:, None, None]  # s [B, 1, 1]
        signal = (filtration * multimodal).expand(-1, words.shape[1], -1)
        states = torch.cat([signal, self.word(words)], dim=-1)
        return CoAttended(
            states, cell_weights, word_weights, attended_cells, attended_words, image_gate, multimodal, filtration
        )
