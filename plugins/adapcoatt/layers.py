"""Co-attention, gated fusion and filtration gate, by the equations of the paper."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .attention import AddAttention, ConcatAttention


@dataclass(frozen=True)
class CoAttended:
    """Result of the co-attention and its gates. T' is T, or 1 if all words attend alike.

    Attributes:
        states: Fused states.
        cell_weights: Attention of words to cells, alpha [B, T', S].
        word_weights: Attention of words to words, beta [B, T', T].
        cells: Attended cells [B, T', k].
        words: Attended words [B, T', k].
        image_gate: Weight 0..1 of the image in the gated fusion, g [B, T', 1].
        multimodal: Gated fusion of attended cells and words, m [B, T', k].
        filtration: Weight 0..1 of the multimodal signal, s [B, T, 1] or [B, 1, 1].
    """

    states: Tensor
    cell_weights: Tensor
    word_weights: Tensor
    cells: Tensor
    words: Tensor
    image_gate: Tensor
    multimodal: Tensor
    filtration: Tensor


class CoAttention(nn.Module):
    """States [B, T, d] of words that received what attention and two gates select of the image.

    Args:
        width: Width d of the words' states, also that of the attention.
        channels: Channels C of a cell.
        add: Add queries and keys in the attention instead of concatenating them.

    Attributes:
        width: Width d of the fused states.

    Source: Zhang et al. 2018; monologg/NER-Multimodal-pytorch, `model.py`; the map of the result
        to d is that of a port with BERT.
    """

    def __init__(self, width: int, channels: int, *, add: bool) -> None:
        super().__init__()
        self.width = width
        self.region = nn.Linear(channels, width)
        attention = AddAttention if add else ConcatAttention
        self.to_cells, self.to_words = attention(width), attention(width)
        self.gated_fusion, self.filtration = GatedFusion(width), FiltrationGate(width)
        self.output = nn.Linear(2 * width, width)

    def forward(self, words: Tensor, cells: Tensor, word_mask: Tensor, cell_mask: Tensor) -> CoAttended:
        """Fuse words and cells; without cells the filtration gate is closed.

        Args:
            words: States [B, T, d].
            cells: Image cells [B, S, C]; S may be 0.
            word_mask: Positions that may be attended to, [B, T] bool.
            cell_mask: Cells that exist, [B, S] bool.
        """
        values = self.region(cells).tanh()  # v [B, S, d]
        cell_weights = self.to_cells(words, values, cell_mask)  # alpha [B, T', S]
        attended_cells = cell_weights @ values  # [B, T', d]
        word_weights = self.to_words(attended_cells, words, word_mask)  # beta [B, T', T]
        attended_words = word_weights @ words
        multimodal, image_gate = self.gated_fusion(attended_cells, attended_words)
        signal, filtration = self.filtration(words, multimodal, cell_mask.any(1))
        states = self.output(torch.cat([words, signal], dim=-1))
        return CoAttended(
            states, cell_weights, word_weights, attended_cells, attended_words, image_gate, multimodal, filtration
        )


class GatedFusion(nn.Module):
    """Gated multimodal fusion `m = g a + (1 - g) c` with a = tanh(W_a cells), c = tanh(W_c words), g = σ(w [a ; c]).

    Args:
        width: Width of all vectors.

    Source: Zhang et al. 2018.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cells, self.words, self.gate = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(2 * width, 1)

    def forward(self, cells: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        """Return m [B, T', d] and g [B, T', 1] for attended cells and words [B, T', d]."""
        image, text = self.cells(cells).tanh(), self.words(words).tanh()
        gate = self.gate(torch.cat([image, text], dim=-1)).sigmoid()
        return gate * image + (1 - gate) * text, gate


class FiltrationGate(nn.Module):
    """Multimodal signal of each word `u = s tanh(W_u m)` with the gate s = σ(w [W_h h ; W_m m]).

    Args:
        width: Width of all vectors.

    Source: Zhang et al. 2018.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.text, self.multimodal = nn.Linear(width, width, bias=False), nn.Linear(width, width)
        self.gate, self.signal = nn.Linear(2 * width, 1), nn.Linear(width, width)

    def forward(self, words: Tensor, multimodal: Tensor, has_image: Tensor) -> tuple[Tensor, Tensor]:
        """Return u [B, T, d] and s [B, T, 1].

        Args:
            words: States h [B, T, d].
            multimodal: Gated fusion m [B, T', d].
            has_image: Examples with an image, [B] bool; for others s is 0.
        """
        text, fused = self.text(words), self.multimodal(multimodal).expand(-1, words.shape[1], -1)
        gate = self.gate(torch.cat([text, fused], dim=-1)).sigmoid() * has_image[:, None, None]
        return gate * self.signal(multimodal).tanh(), gate
