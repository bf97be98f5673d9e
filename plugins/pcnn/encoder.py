"""The text encoder of PCNN."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from hvpkit.interfaces import EncodedText, Prefix, TextBatch, TextEncoder, TextStates, Trace
from hvpkit.model.text.word_embedding import WordEmbedding, init_uniform
from hvpkit.types import Example


@dataclass(frozen=True)
class PcnnConfig:
    """Width of a distance's vector, the largest distance that is told apart, filters of the convolution, dropout of what it reads."""

    positions: int
    max_distance: int
    filters: int
    dropout: float


class Pcnn(TextEncoder):
    """Words [B, T], one position a word, with their distances to both entities, to the convolution's states [B, T, filters]."""

    def __init__(self, words: WordEmbedding, shape: PcnnConfig) -> None:
        super().__init__()
        self.words, self.max_distance, self.width = words, shape.max_distance, shape.filters
        vectors = (init_uniform(nn.Embedding(2 * shape.max_distance, shape.positions, padding_idx=0)) for _ in range(2))
        self.head_distances, self.tail_distances = vectors
        self.dropout = nn.Dropout(shape.dropout)
        self.convolution = nn.Conv1d(words.embedding_dim + 2 * shape.positions, shape.filters, 3, padding=1)

    def encode(self, example: Example, max_length: int) -> EncodedText:
        """Give word ids [T] in a window around both entities, which no marker shows."""
        return self.words.encode(example, max_length)

    def forward(self, text: TextBatch, prefix: Prefix | None = None, trace: Trace | None = None) -> TextStates:
        """Give the convolution's values, before any activation; padding is 0 in its windows."""
        if text.head_position is None or text.tail_position is None:
            raise ValueError("pcnn reads where both entities start")
        inputs = [
            self.words(text.features["words"]),
            self.head_distances(self.distances(text.head_position, text.mask)),
            self.tail_distances(self.distances(text.tail_position, text.mask)),
        ]
        read = self.dropout(torch.cat(inputs, dim=-1))  # [B, T, width of a word and two distances]
        return TextStates(self.convolution(read.transpose(1, 2)).transpose(1, 2))

    def distances(self, starts: Tensor, mask: Tensor) -> Tensor:
        """Give how far each position [B, T] is from `starts` [B], as ids from 1 on around `max_distance`; padding's is 0."""
        ids = torch.arange(mask.shape[1], device=mask.device) - starts[:, None] + self.max_distance
        return ids.clamp(1, 2 * self.max_distance - 1) * mask

    def save(self, folder: Path) -> None:
        """Write the vocabulary."""
        self.words.save(folder)

    def provenance_notes(self) -> list[str]:
        """Name random weights and the words with vectors from a file."""
        return self.words.remarks()
