"""The text encoder of CNN-BiLSTM-CRF."""

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

from .characters import LONGEST, CharacterCnn

FILE = "characters.json"


@dataclass(frozen=True)
class CnnBilstmConfig:
    """Width of character vectors and layers over them; width of one direction; width after it (None: both directions'); dropout."""

    characters: int
    character_layers: int
    hidden: int
    projection: int | None
    dropout: float


def build(context: TextContext, options: WordEmbeddingConfig, shape: CnnBilstmConfig) -> CnnBilstm:
    """Learn the vocabularies from the training text, or read those of a saved model."""
    words = build_word_embedding(context, options)
    if context.folder is not None:
        return CnnBilstm(words, Vocabulary.load(context.folder / FILE), shape)
    counts = Counter(character for example in context.examples for word in example.words for character in word[:LONGEST])
    return CnnBilstm(words, Vocabulary.from_examples(counts), shape)


class CnnBilstm(TextEncoder):
    """Words [B, T], one position a word, with their characters [B, T, W], to states [B, T, 2 * hidden] (or the projection's width)."""

    def __init__(self, words: WordEmbedding, characters: Vocabulary, shape: CnnBilstmConfig) -> None:
        super().__init__()
        self.words, self.known_characters = words, characters
        self.characters = CharacterCnn(characters.size, shape.characters, shape.character_layers, shape.dropout)
        self.dropout = nn.Dropout(shape.dropout)
        self.lstm = nn.LSTM(words.embedding_dim + self.characters.width, shape.hidden, batch_first=True, bidirectional=True)
        init_lstm(self.lstm)
        both = 2 * shape.hidden
        self.width = shape.projection or both
        self.project = nn.Sequential(nn.Linear(both, self.width), nn.ELU()) if shape.projection else nn.Identity()

    def encode(self, example: Example, max_length: int) -> EncodedText:
        """Give word ids [T] and character ids [T, W]; for a pair the window is around both entities, which no marker shows."""
        encoded = self.words.encode(example, max_length)
        kept = example.words[encoded.first_word : encoded.first_word + len(encoded.word_starts)]
        letters = [torch.tensor([self.known_characters.index(character) for character in word[:LONGEST]]) for word in kept]
        return replace(encoded, features=encoded.features | {"characters": pad(letters)})

    def forward(self, text: TextBatch, prefix: Prefix | None = None, trace: Trace | None = None) -> TextStates:
        """Give the states of both directions side by side."""
        words = self.words(text.features["words"])  # [B, T, words' width]
        spelt = words.new_zeros(*text.mask.shape, self.characters.width)
        spelt[text.mask] = self.characters(text.features["characters"][text.mask]).to(spelt.dtype)  # autocast may have made it bf16
        inputs = self.dropout(torch.cat([words, spelt], dim=-1))
        packed = pack_padded_sequence(inputs, text.mask.sum(1).cpu(), batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=text.mask.shape[1])
        return TextStates(self.project(states))

    def save(self, folder: Path) -> None:
        """Write both vocabularies."""
        self.words.save(folder)
        self.known_characters.save(folder / FILE)

    def provenance_notes(self) -> list[str]:
        """Name random weights and the words with vectors from a file."""
        return self.words.remarks()


@torch.no_grad()
def init_lstm(lstm: nn.LSTM) -> None:
    """Begin with Glorot's uniform weights, biases of 0, forget gates' of 1 (Ma & Hovy 2016, section 3.1 - recalled, not verified)."""
    for name, parameter in lstm.named_parameters():
        if "weight" in name:
            for gate in parameter.chunk(4):
                nn.init.xavier_uniform_(gate)
        else:
            nn.init.zeros_(parameter)
            if "bias_ih" in name:
                parameter.chunk(4)[1].fill_(1)
