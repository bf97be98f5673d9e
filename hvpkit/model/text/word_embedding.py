"""One vector a word, learnt or from a file: what encoders without wordpieces begin with."""

from __future__ import annotations

import logging
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from hvpkit.errors import ComponentError
from hvpkit.interfaces import EncodedText, TextContext
from hvpkit.messages import Message
from hvpkit.model.text.input_layout import build_inputs
from hvpkit.model.text.vocabulary import PADDING, UNKNOWN, Vocabulary, replace_digits
from hvpkit.model.text.word_vectors import WordVectors, load_vectors
from hvpkit.types import Example

log = logging.getLogger(__name__)
FILE = "words.json"


@dataclass(frozen=True)
class WordEmbeddingConfig:
    """Width of a vector; a file of vectors and how many of its first words are known beyond those of the training text; the chance that a
    word seen once is hidden in training; whether digits are read as 0."""

    width: int
    file: Path | None = None
    file_words: int = 0
    singleton_unk: float = 0.0
    zeros: bool = False


class WordEmbedding(nn.Embedding):
    """Vectors [size, d] of a vocabulary's words, uniform in ±sqrt(3/d) at the start; padding's is 0 and stays it.

    In training a word that training text holds once is unknown with the chance `singleton_unk`, so that the unknown word's vector is learnt
    (Lample et al. 2016).
    """

    def __init__(self, vocabulary: Vocabulary, options: WordEmbeddingConfig, vectors: WordVectors | None = None) -> None:
        super().__init__(vocabulary.size, options.width, padding_idx=PADDING)
        self.vocabulary, self.singleton_unk = vocabulary, options.singleton_unk
        self.coverage: Message | None = None
        init_uniform(self)
        if vectors is not None:
            self._take(vectors)

    def remarks(self) -> list[str]:
        """Say for a score where the vectors came from."""
        if self.coverage is None:
            return [Message("text-encoder-and-word-vectors-random")]
        return [Message("text-encoder-random-but-word-vectors", coverage=self.coverage)]

    @torch.no_grad()
    def _take(self, vectors: WordVectors) -> None:
        for number, word in enumerate(self.vocabulary.items, UNKNOWN + 1):
            vector = vectors.vector(word)
            if vector is not None:
                self.weight[number] = torch.from_numpy(vector)

    def encode(self, example: Example, max_length: int) -> EncodedText:
        """Give the feature `words` [T], one position a word without specials; for a pair the window is around both of its entities.

        Raises DataError when they do not fit.
        """
        layout = build_inputs([[self.vocabulary.index(word)] for word in example.words], example, max_length, None)
        return EncodedText(
            features={"words": torch.tensor(layout.ids)},
            word_starts=torch.tensor(layout.word_starts),
            word_of=torch.tensor(layout.word_of),
            words_cut=layout.words_cut,
            first_word=layout.first_word,
            head_position=layout.head_position,
            tail_position=layout.tail_position,
        )

    def forward(self, ids: Tensor) -> Tensor:
        """Look up ids [B, T]: [B, T, d]."""
        if self.training and self.singleton_unk:
            hidden = (ids >= self.vocabulary.first_singleton) & (torch.rand(ids.shape, device=ids.device) < self.singleton_unk)
            ids = ids.masked_fill(hidden, UNKNOWN)
        return super().forward(ids)

    def save(self, folder: Path) -> None:
        """Write the vocabulary for `build_word_embedding`."""
        self.vocabulary.save(folder / FILE)


def init_uniform(embedding: nn.Embedding) -> nn.Embedding:
    """Draw vectors from ±sqrt(3/d), padding's 0 (Ma & Hovy 2016, section 3.1 - recalled, not verified)."""
    bound = math.sqrt(3 / embedding.embedding_dim)
    nn.init.uniform_(embedding.weight, -bound, bound)
    with torch.no_grad():
        embedding.weight[PADDING] = 0
    return embedding


def build_word_embedding(context: TextContext, options: WordEmbeddingConfig) -> WordEmbedding:
    """Learn the vocabulary of the training text, and take the vectors of a file if there is one; or read what a saved model knew.

    The coverage of a file is logged. Raises ComponentError when there is no training text, ModelFolderError for what cannot be read.
    """
    if context.folder is not None:
        return WordEmbedding(Vocabulary.load(context.folder / FILE), options)
    counts = Counter(replace_digits(word) if options.zeros else word for example in context.examples for word in example.words)
    if not counts:
        raise ComponentError("vocabulary-without-examples", encoder="a text encoder with a vocabulary of its own")
    vocabulary = Vocabulary.from_examples(counts, zeros=options.zeros)
    if options.file is None:
        return WordEmbedding(vocabulary, options)
    vectors = load_vectors(options.file, width=options.width, words=vocabulary.items, first=options.file_words)
    embedding = WordEmbedding(vocabulary.extend(vectors.rows), options, vectors)
    embedding.coverage = vectors.coverage(counts)
    log.info(embedding.coverage)
    return embedding
