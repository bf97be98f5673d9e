"""Text encoder of PCNN."""

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
    """Sizes of the encoder beyond those of its word vectors.

    Attributes:
        position_width: Width of the vector of a distance.
        max_distance: Largest distance in words with a vector of its own.
        filters: Number of filters of the convolution.
        dropout: Dropout probability of the convolution's input.
    """

    position_width: int
    max_distance: int
    filters: int
    dropout: float


class Pcnn(TextEncoder):
    """Convolution over words [B, T] and their distances to both entities: states [B, T, filters].

    A position is a word.

    Args:
        words: Word vectors and their vocabulary.
        config: Sizes of the other layers.

    Source: thunlp/OpenNRE, after Zeng et al. 2015.
    """

    def __init__(self, words: WordEmbedding, config: PcnnConfig) -> None:
        super().__init__()
        self.words, self.max_distance, self.width = words, config.max_distance, config.filters
        vectors = (
            init_uniform(nn.Embedding(2 * config.max_distance, config.position_width, padding_idx=0)) for _ in range(2)
        )
        self.head_distances, self.tail_distances = vectors
        self.dropout = nn.Dropout(config.dropout)
        self.convolution = nn.Conv1d(words.embedding_dim + 2 * config.position_width, config.filters, 3, padding=1)

    def encode(self, example: Example, max_length: int) -> EncodedText:
        """Return word ids [T] in a window around both entities, without markers."""
        return self.words.encode(example, max_length)

    def forward(self, text: TextBatch, prefix: Prefix | None = None, trace: Trace | None = None) -> TextStates:
        """Return the convolution's values [B, T, filters] before any activation; padding counts as 0.

        Raises:
            ValueError: The batch has no positions of head and tail.
        """
        if text.head_position is None or text.tail_position is None:
            raise ValueError("pcnn needs the positions of head and tail.")
        vectors = [
            self.words(text.features["words"]),
            self.head_distances(self.distances(text.head_position, text.mask)),
            self.tail_distances(self.distances(text.tail_position, text.mask)),
        ]
        inputs = self.dropout(torch.cat(vectors, dim=-1))  # [B, T, word width + 2 * position width]
        return TextStates(self.convolution(inputs.transpose(1, 2)).transpose(1, 2))

    def distances(self, starts: Tensor, mask: Tensor) -> Tensor:
        """Compute the id of each position's distance to an entity's first word, [B, T].

        Args:
            starts: First word of the entity, [B].
            mask: Positions that exist, [B, T] bool.

        Returns:
            Ids 1 to 2 * max_distance - 1, where `max_distance` means distance 0; 0 for padding.
        """
        ids = torch.arange(mask.shape[1], device=mask.device) - starts[:, None] + self.max_distance
        return ids.clamp(1, 2 * self.max_distance - 1) * mask

    def save(self, folder: Path) -> None:
        """Write the vocabulary."""
        self.words.save(folder)

    def provenance_notes(self) -> list[str]:
        """Return notes on random weights and on words with vectors from a file."""
        return self.words.provenance_notes()
