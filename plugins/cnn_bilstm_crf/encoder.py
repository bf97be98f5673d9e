"""Text encoder of CNN-BiLSTM-CRF."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from hvpkit.batching import pad
from hvpkit.interfaces import EncodedText, Prefix, TextBatch, TextContext, TextEncoder, TextStates, Trace
from hvpkit.model.text.vocabulary import Vocabulary
from hvpkit.model.text.word_embedding import WordEmbedding, WordEmbeddingConfig, build_word_embedding
from hvpkit.types import Example

from .characters import MAX_CHARACTERS, CharacterCnn

FILE = "characters.json"


@dataclass(frozen=True)
class CnnBilstmConfig:
    """Sizes of the encoder beyond those of its word vectors.

    Attributes:
        character_width: Width of a character vector, and number of filters of the character CNN.
        character_layers: Number of convolutions over characters, 1 or 2.
        hidden: Width of one direction of the LSTM.
        projection: Width of the linear map after the BiLSTM; None: no map.
        dropout: Dropout probability of character vectors and of the LSTM's input.
    """

    character_width: int
    character_layers: int
    hidden: int
    projection: int | None
    dropout: float


def build(context: TextContext, options: WordEmbeddingConfig, config: CnnBilstmConfig) -> CnnBilstm:
    """Build the encoder with vocabularies of the training text, or with those of a saved model.

    Args:
        context: Training examples, or the folder of a saved model.
        options: Word vectors and the handling of unknown words.
        config: Sizes of the other layers.

    Raises:
        ComponentError: There is no training text.
        ModelFolderError: The file of vectors cannot be read.
    """
    words = build_word_embedding(context, options)
    if context.folder is not None:
        return CnnBilstm(words, Vocabulary.load(context.folder / FILE), config)
    counts = Counter(
        character for example in context.examples for word in example.words for character in word[:MAX_CHARACTERS]
    )
    return CnnBilstm(words, Vocabulary.from_examples(counts), config)


class CnnBilstm(TextEncoder):
    """BiLSTM over words [B, T], one position per word, and their characters [B, T, W]: states [B, T, width].

    The width is 2 * hidden, or that of the projection.

    Args:
        words: Word vectors and their vocabulary.
        characters: Character vocabulary.
        config: Sizes of the other layers.

    Source: Ma & Hovy 2016.
    """

    def __init__(self, words: WordEmbedding, characters: Vocabulary, config: CnnBilstmConfig) -> None:
        super().__init__()
        self.words, self.known_characters = words, characters
        self.characters = CharacterCnn(characters.size, config.character_width, config.character_layers, config.dropout)
        self.dropout = nn.Dropout(config.dropout)
        input_width = words.embedding_dim + self.characters.width
        self.lstm = nn.LSTM(input_width, config.hidden, batch_first=True, bidirectional=True)
        init_lstm(self.lstm)
        lstm_width = 2 * config.hidden
        self.width = config.projection or lstm_width
        self.project = (
            nn.Sequential(nn.Linear(lstm_width, self.width), nn.ELU()) if config.projection else nn.Identity()
        )

    def encode(self, example: Example, max_length: int) -> EncodedText:
        """Return word ids [T] and character ids [T, W]; for a pair, of a window around both entities."""
        encoded = self.words.encode(example, max_length)
        kept = example.words[encoded.first_word : encoded.first_word + len(encoded.word_starts)]
        index = self.known_characters.index
        characters = [torch.tensor([index(character) for character in word[:MAX_CHARACTERS]]) for word in kept]
        return replace(encoded, features=encoded.features | {"characters": pad(characters)})

    def forward(self, text: TextBatch, prefix: Prefix | None = None, trace: Trace | None = None) -> TextStates:
        """Return the states of both directions, concatenated and projected: [B, T, width]."""
        words = self.words(text.features["words"])  # [B, T, word width]
        characters = words.new_zeros(*text.mask.shape, self.characters.width)  # [B, T, character width]
        pooled = self.characters(text.features["characters"][text.mask])  # bf16 under autocast
        characters[text.mask] = pooled.to(characters.dtype)
        inputs = self.dropout(torch.cat([words, characters], dim=-1))
        packed = pack_padded_sequence(inputs, text.mask.sum(1).cpu(), batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=text.mask.shape[1])
        return TextStates(self.project(states))

    def save(self, folder: Path) -> None:
        """Write both vocabularies."""
        self.words.save(folder)
        self.known_characters.save(folder / FILE)

    def provenance_notes(self) -> list[str]:
        """Return notes on random weights and on words with vectors from a file."""
        return self.words.provenance_notes()


@torch.no_grad()
def init_lstm(lstm: nn.LSTM) -> None:
    """Initialize weights by Glorot's uniform distribution, biases to 0, and those of forget gates to 1.

    Source: Ma & Hovy 2016, section 3.1 (recalled, not verified).
    """
    for name, parameter in lstm.named_parameters():
        if "weight" in name:
            for gate in parameter.chunk(4):
                nn.init.xavier_uniform_(gate)
        else:
            nn.init.zeros_(parameter)
            if "bias_ih" in name:
                parameter.chunk(4)[1].fill_(1)
