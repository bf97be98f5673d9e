"""Text encoder of HBiLSTM-CRF."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from hvpkit.batching import pad
from hvpkit.interfaces import EncodedText, Prefix, TextBatch, TextContext, TextEncoder, TextStates, Trace
from hvpkit.model.text.vocabulary import UNKNOWN, Vocabulary
from hvpkit.model.text.word_embedding import WordEmbedding, WordEmbeddingConfig, build_word_embedding
from hvpkit.types import Example

from .layers import Cell, build_lstm

FILE = "characters.json"
MAX_CHARACTERS = 50  # of a word (own), so that a link does not pad the whole batch to its length
NUM_CAPITALIZATIONS = 4


@dataclass(frozen=True)
class HBilstmConfig:
    """Sizes of the encoder beyond those of its word vectors.

    Attributes:
        character_width: Width of a character vector.
        character_hidden: Width of one direction of the character LSTM.
        capitalization_width: Width of the vector of a word's capitalization; 0: none.
        hidden: Width of one direction of the word LSTM, and of the states.
        cell: "coupled" or "lstm".
        dropout: Dropout probability of the word LSTM's input.
        scales_in_evaluation: Multiply inputs by 1 - p in evaluation, instead of dividing them by 1 - p in training.
    """

    character_width: int
    character_hidden: int
    capitalization_width: int
    hidden: int
    cell: Cell
    dropout: float
    scales_in_evaluation: bool


def build(context: TextContext, options: WordEmbeddingConfig, config: HBilstmConfig) -> HBilstm:
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
        return HBilstm(words, Vocabulary.load(context.folder / FILE), config)
    counts = Counter(
        character for example in context.examples for word in example.words for character in word[:MAX_CHARACTERS]
    )
    return HBilstm(words, Vocabulary.from_examples(counts), config)


def capitalization(word: str) -> int:
    """Return 0 for a word without capitals, 1 for capitals alone, 2 for a capital first letter, 3 for others.

    Source: glample/tagger, loader.py.
    """
    if word.lower() == word:
        return 0
    if word.upper() == word:
        return 1
    return 2 if word[0].upper() == word[0] else 3


class HBilstm(TextEncoder):
    """BiLSTM over words [B, T], one position per word, and their characters [B, T, W]: states [B, T, hidden].

    The input of a word is its vector, the last states of both directions of the character LSTM, and the vector of its
    capitalization.

    Args:
        words: Word vectors and their vocabulary.
        characters: Character vocabulary.
        config: Sizes of the other layers.

    Source: glample/tagger, model.py.
    """

    def __init__(self, words: WordEmbedding, characters: Vocabulary, config: HBilstmConfig) -> None:
        super().__init__()
        self.words, self.known_characters, self.width = words, characters, config.hidden
        self.characters = nn.Embedding(characters.size, config.character_width, padding_idx=0)
        nn.init.xavier_uniform_(self.characters.weight)
        self.character_lstm = build_lstm(config.cell, config.character_width, config.character_hidden)
        input_width = words.embedding_dim + 2 * config.character_hidden + config.capitalization_width
        self.capitalizations: nn.Embedding | None = None
        if config.capitalization_width:
            self.capitalizations = nn.Embedding(NUM_CAPITALIZATIONS, config.capitalization_width)
            nn.init.xavier_uniform_(self.capitalizations.weight)
        self.dropout = nn.Dropout(config.dropout)
        self.input_scale = 1 - config.dropout if config.scales_in_evaluation else 1.0
        self.lstm = build_lstm(config.cell, input_width, config.hidden)
        self.project = nn.Linear(2 * config.hidden, config.hidden)
        nn.init.xavier_uniform_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def encode(self, example: Example, max_length: int) -> EncodedText:
        """Return word ids and capitalizations [T] and character ids [T, W]; for a pair, of a window around both."""
        encoded = self.words.encode(example, max_length)
        kept = example.words[encoded.first_word : encoded.first_word + len(encoded.word_starts)]
        features = {"characters": pad([self._character_ids(word) for word in kept])}
        if self.capitalizations is not None:
            features["capitalization"] = torch.tensor([capitalization(word) for word in kept])
        return replace(encoded, features=encoded.features | features)

    def _character_ids(self, word: str) -> Tensor:
        """Return the ids of the known characters of a word, or that of padding for a word without any."""
        ids = [self.known_characters.index(character) for character in word[:MAX_CHARACTERS]]
        return torch.tensor([id for id in ids if id != UNKNOWN] or [0])

    def forward(self, text: TextBatch, prefix: Prefix | None = None, trace: Trace | None = None) -> TextStates:
        """Return tanh of a linear map of the states of both directions: [B, T, hidden]."""
        words = self.words(text.features["words"])  # [B, T, word width]
        spelling = self.spelling(text.features["characters"][text.mask])  # [K, 2 * character hidden]
        spellings = words.new_zeros(*text.mask.shape, spelling.shape[-1])
        spellings[text.mask] = spelling.to(spellings.dtype)  # bf16 under autocast
        vectors = [words, spellings]
        if self.capitalizations is not None:
            vectors.append(self.capitalizations(text.features["capitalization"]))
        inputs = self.dropout(torch.cat(vectors, dim=-1)) * self.input_scale
        return TextStates(self.project(self.lstm(inputs, text.mask).states).tanh())

    def spelling(self, characters: Tensor) -> Tensor:
        """Compute the last states of both directions over the characters [K, W] of K words, [K, 2h]; 0 is padding."""
        last: Tensor = self.character_lstm(self.characters(characters), characters > 0).last
        return last

    def save(self, folder: Path) -> None:
        """Write both vocabularies."""
        self.words.save(folder)
        self.known_characters.save(folder / FILE)

    def provenance_notes(self) -> list[str]:
        """Return notes on random weights and on words with vectors from a file."""
        return self.words.provenance_notes()
