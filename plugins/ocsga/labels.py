"""Words of the labels of detected objects, and their vectors."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from hvpkit.interfaces import FusionContext
from hvpkit.messages import Message
from hvpkit.model.text.vocabulary import Vocabulary, replace_digits
from hvpkit.model.text.word_embedding import FILE, WordEmbedding, WordEmbeddingConfig, embed_words
from hvpkit.types import Example

log = logging.getLogger(__name__)


def label_words(example: Example, max_objects: int) -> Iterator[tuple[str, int]]:
    """Yield the words of the labels of an example's objects, with the index of the object; duplicates stay.

    Args:
        example: Example with objects, best first.
        max_objects: Number of objects that count.
    """
    for number, visual_object in enumerate(example.objects[:max_objects]):
        for word in (visual_object.phrase or "").split():
            yield word, number


def build_label_embedding(context: FusionContext, options: WordEmbeddingConfig) -> WordEmbedding:
    """Build vectors of label words from the training set and a file of vectors, or load those of a saved model.

    Vectors from a file are not trained. Their coverage is logged, or that there are no labels.

    Args:
        context: Training examples, or the folder of a saved model.
        options: Options of the vectors.

    Raises:
        ModelFolderError: If the vocabulary or the file of vectors cannot be read.
    """
    if context.folder is not None:
        embedding = WordEmbedding(Vocabulary.load(context.folder / FILE), options)
    else:
        embedding = _from_examples(context.examples, context.max_objects, options)
    embedding.requires_grad_(options.file is None)
    return embedding


def label_vector_notes(embedding: WordEmbedding) -> list[str]:
    """Return a note on where the vectors come from."""
    coverage = embedding.coverage
    if coverage is None:
        return [Message("ocsga-learned-labels")] if embedding.weight.requires_grad else []
    return [Message("ocsga-label-vectors", **{key: coverage.fields[key] for key in ("file", "found", "words")})]


def _from_examples(examples: Sequence[Example], max_objects: int, options: WordEmbeddingConfig) -> WordEmbedding:
    words = (word for example in examples for word, _ in label_words(example, max_objects))
    counts = Counter(replace_digits(word) if options.zeros else word for word in words)
    if not counts:
        log.warning(Message("ocsga-no-labels", examples=len(examples)))
        return embed_words(counts, replace(options, file=None))
    embedding = embed_words(counts, options)
    for note in label_vector_notes(embedding) if options.file else []:
        log.info(note)
    return embedding
