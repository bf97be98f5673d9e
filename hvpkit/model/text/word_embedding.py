"""Word embeddings for encoders without wordpieces, trained or from a file."""

from __future__ import annotations

import logging
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

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
    """Options of a word embedding.

    Attributes:
        width: Width d of a vector.
        file: File of word vectors; None for random ones.
        file_words: Number of leading words of the file that are added to those of the training text.
        singleton_unk: Probability that a word that occurs once in the training text is replaced by unknown in training.
        zeros: Whether every digit is read as 0.
        init: Initial vectors: uniform in ±sqrt(3/d) ("uniform"), or in ±sqrt(6/(size + d)) ("glorot").
    """

    width: int
    file: Path | None = None
    file_words: int = 0
    singleton_unk: float = 0.0
    zeros: bool = False
    init: Literal["uniform", "glorot"] = "uniform"


class WordEmbedding(nn.Embedding):
    """Vectors [size, d] of the words of a vocabulary.

    They are initialized uniformly; that of padding is 0.

    In training, words that occur once are replaced by unknown with probability `singleton_unk`, so that the vector of
    unknown words is trained.

    Args:
        vocabulary: The vocabulary.
        options: Options of the embedding.
        vectors: Pretrained vectors.

    Source: Lample et al. 2016 for `singleton_unk`.
    """

    def __init__(
        self, vocabulary: Vocabulary, options: WordEmbeddingConfig, vectors: WordVectors | None = None
    ) -> None:
        super().__init__(vocabulary.size, options.width, padding_idx=PADDING)
        self.vocabulary, self.singleton_unk = vocabulary, options.singleton_unk
        self.coverage: Message | None = None
        init_uniform(self) if options.init == "uniform" else self._init_glorot()
        if vectors is not None:
            self._copy(vectors)

    @torch.no_grad()
    def _init_glorot(self) -> None:
        nn.init.xavier_uniform_(self.weight)
        self.weight[PADDING] = 0

    def provenance_notes(self) -> list[str]:
        """Return a note on where the vectors come from."""
        if self.coverage is None:
            return [Message("text-encoder-and-word-vectors-random")]
        return [Message("text-encoder-random-but-word-vectors", coverage=self.coverage)]

    @torch.no_grad()
    def _copy(self, vectors: WordVectors) -> None:
        for number, word in enumerate(self.vocabulary.items, UNKNOWN + 1):
            vector = vectors.vector(word)
            if vector is not None:
                self.weight[number] = torch.from_numpy(vector)

    def encode(self, example: Example, max_length: int) -> EncodedText:
        """Encode an example as the feature `words` [T], one position per word without special tokens.

        With an entity pair, the window contains both entities.

        Raises:
            DataError: "pair-too-far-apart" if the pair does not fit.
        """
        layout = build_inputs([[self.vocabulary.index(word)] for word in example.words], example, max_length, None)
        return EncodedText(
            features={"words": torch.tensor(layout.ids)},
            word_starts=torch.tensor(layout.word_starts),
            word_ids=torch.tensor(layout.word_ids),
            num_truncated_words=layout.num_truncated_words,
            first_word=layout.first_word,
            head_position=layout.head_position,
            tail_position=layout.tail_position,
        )

    def forward(self, ids: Tensor) -> Tensor:
        """Look up vectors [B, T, d] of ids [B, T]."""
        if self.training and self.singleton_unk:
            is_drawn = torch.rand(ids.shape, device=ids.device) < self.singleton_unk
            ids = ids.masked_fill((ids >= self.vocabulary.first_singleton) & is_drawn, UNKNOWN)
        return super().forward(ids)

    def save(self, folder: Path) -> None:
        """Write the vocabulary, from which `build_word_embedding` can build the embedding again."""
        self.vocabulary.save(folder / FILE)


def init_uniform(embedding: nn.Embedding) -> nn.Embedding:
    """Initialize vectors uniformly in ±sqrt(3/d), and that of padding with 0.

    Source: Ma & Hovy 2016, section 3.1 (recalled, not verified).
    """
    bound = math.sqrt(3 / embedding.embedding_dim)
    nn.init.uniform_(embedding.weight, -bound, bound)
    with torch.no_grad():
        embedding.weight[PADDING] = 0
    return embedding


def build_word_embedding(context: TextContext, options: WordEmbeddingConfig) -> WordEmbedding:
    """Build a word embedding from the training text and a file of vectors, or load that of a saved model.

    The coverage of the file is logged.

    Args:
        context: What the encoder is built from.
        options: Options of the embedding.

    Raises:
        ComponentError: "vocabulary-without-examples" without training text.
        ModelFolderError: If a vocabulary or the file of vectors cannot be read.
    """
    if context.folder is not None:
        return WordEmbedding(Vocabulary.load(context.folder / FILE), options)
    counts = Counter(
        replace_digits(word) if options.zeros else word for example in context.examples for word in example.words
    )
    if not counts:
        raise ComponentError("vocabulary-without-examples", encoder="a text encoder with a word vocabulary")
    embedding = embed_words(counts, options)
    if embedding.coverage is not None:
        log.info(embedding.coverage)
    return embedding


def embed_words(counts: Counter[str], options: WordEmbeddingConfig) -> WordEmbedding:
    """Build a word embedding of counted words, with vectors from the file of the options if it has one.

    Args:
        counts: Number of occurrences of each word in the training set; not empty if there is a file. Where digits are
            read as 0, they must be 0 already.
        options: Options of the embedding.

    Raises:
        ModelFolderError: If the file of vectors cannot be read.
    """
    vocabulary = Vocabulary.from_examples(counts, zeros=options.zeros)
    if options.file is None:
        return WordEmbedding(vocabulary, options)
    vectors = load_vectors(options.file, width=options.width, words=vocabulary.items, first=options.file_words)
    embedding = WordEmbedding(vocabulary.extend(vectors.rows), options, vectors)
    embedding.coverage = vectors.coverage(counts)
    return embedding
