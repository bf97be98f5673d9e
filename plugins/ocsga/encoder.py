"""Text encoder of OCSGA: a character BiLSTM and word vectors, and a BiLSTM over both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from hvpkit.batching import pad
from hvpkit.interfaces import EncodedText, Prefix, TextBatch, TextContext, TextEncoder, TextStates, Trace
from hvpkit.model.text.vocabulary import Vocabulary, replace_digits
from hvpkit.model.text.word_embedding import WordEmbedding, WordEmbeddingConfig, build_word_embedding, init_uniform
from hvpkit.types import Example

FILE = "characters.json"
MAX_CHARACTERS = 50  # of a word (own), so that a link does not pad the whole batch to its length


@dataclass(frozen=True)
class CharBilstmConfig:
    """Sizes of the encoder beyond those of its word vectors.

    Attributes:
        character_width: Width of a character vector.
        character_hidden: Width of one direction of the character LSTM.
        hidden: Width of one direction of the word LSTM.
        dropout: Dropout probability of character vectors, of the word LSTM's input and of its output.
    """

    character_width: int
    character_hidden: int
    hidden: int
    dropout: float


def build(context: TextContext, options: WordEmbeddingConfig, config: CharBilstmConfig) -> CharBilstm:
    """Build the encoder with vocabularies of the training text, or with those of a saved model.

    Args:
        context: Training examples, or the folder of a saved model.
        options: Word vectors, handling of unknown words, and whether digits are read as 0.
        config: Sizes of the other layers.

    Raises:
        ComponentError: There is no training text.
        ModelFolderError: The file of vectors cannot be read.
    """
    words = build_word_embedding(context, options)
    if context.folder is not None:
        return CharBilstm(words, Vocabulary.load(context.folder / FILE), config)
    texts = (word[:MAX_CHARACTERS] for example in context.examples for word in example.words)
    counts = Counter(character for text in texts for character in (replace_digits(text) if options.zeros else text))
    return CharBilstm(words, Vocabulary.from_examples(counts, zeros=options.zeros), config)


class CharBilstm(TextEncoder):
    """BiLSTM over words [B, T], one position per word, and their characters [B, T, W]: states [B, T, 2 * hidden].

    A word's characters are read by a BiLSTM, whose last state in each direction follows the word's vector.

    Args:
        words: Word vectors and their vocabulary.
        characters: Character vocabulary.
        config: Sizes of the other layers.

    Source: softhuafei/Pytorch-implementation-for-OCSGA, `model/MUL_LSTM_MCA.py`.
    """

    def __init__(self, words: WordEmbedding, characters: Vocabulary, config: CharBilstmConfig) -> None:
        super().__init__()
        self.words, self.known_characters = words, characters
        self.characters = init_uniform(nn.Embedding(characters.size, config.character_width, padding_idx=0))
        self.character_lstm = nn.LSTM(
            config.character_width, config.character_hidden, batch_first=True, bidirectional=True
        )
        input_width = words.embedding_dim + 2 * config.character_hidden
        self.lstm = nn.LSTM(input_width, config.hidden, batch_first=True, bidirectional=True)
        self.dropout, self.width = nn.Dropout(config.dropout), 2 * config.hidden

    def encode(self, example: Example, max_length: int) -> EncodedText:
        """Return word ids [T] and character ids [T, W]; for a pair, of a window around both entities."""
        encoded = self.words.encode(example, max_length)
        kept = example.words[encoded.first_word : encoded.first_word + len(encoded.word_starts)]
        index = self.known_characters.index
        characters = [torch.tensor([index(character) for character in word[:MAX_CHARACTERS]]) for word in kept]
        return replace(encoded, features=encoded.features | {"characters": pad(characters)})

    def forward(self, text: TextBatch, prefix: Prefix | None = None, trace: Trace | None = None) -> TextStates:
        """Return the states of both directions, concatenated, [B, T, width]; those of padding are 0."""
        words = self.words(text.features["words"])  # [B, T, word width]
        inputs = self.dropout(torch.cat([words, self.character_states(text)], dim=-1))
        packed = pack_padded_sequence(inputs, text.mask.sum(1).cpu(), batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=text.mask.shape[1])
        return TextStates(self.dropout(states))

    def character_states(self, text: TextBatch) -> Tensor:
        """Return the last states of both directions for each word, [B, T, 2 * character_hidden]; 0 for padding."""
        characters = text.features["characters"][text.mask]  # [K, W] of K words
        lengths = (characters > 0).sum(1).cpu()
        vectors = self.dropout(self.characters(characters))
        packed = pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)
        _, (last, _) = self.character_lstm(packed)  # [2, K, character hidden]
        states: Tensor = last.transpose(0, 1).flatten(1)  # bf16 under autocast
        result: Tensor = states.new_zeros(*text.mask.shape, states.shape[-1])
        result[text.mask] = states
        return result

    def save(self, folder: Path) -> None:
        """Write both vocabularies."""
        self.words.save(folder)
        self.known_characters.save(folder / FILE)

    def provenance_notes(self) -> list[str]:
        """Return notes on random weights and on words with vectors from a file."""
        return self.words.provenance_notes()

    def vocabularies(self) -> Mapping[str, Sequence[str | None]]:
        """Return the words and characters of the rows of both embeddings; padding and unknown have none."""
        return {
            "words.weight": [None, None, *self.words.vocabulary.items],
            "characters.weight": [None, None, *self.known_characters.items],
        }
