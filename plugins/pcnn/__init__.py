"""PCNN: a convolution over words and distances, max-pooled in segments around both entities (Zeng et al. 2015).

The layer sizes and learning rates are those of OpenNRE (thunlp/OpenNRE), the code base that MEGA's authors extend.
Where the original paper differs is recalled, not verified. In a recipe: `text: {encoder: pcnn}`, `head:
piecewise-max`. The head works with other text encoders too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from hvpkit.config.option_types import NonNegativeInt, PositiveInt, UnitInterval
from hvpkit.hookspecs import Register, hookimpl

if TYPE_CHECKING:
    from hvpkit.interfaces import Head, HeadContext, TextContext, TextEncoder


@hookimpl
def register_text_encoders(register: Register) -> None:
    """Register the encoder, for relations only: it reads the positions of the pair."""
    register("pcnn", pcnn, provides={"states"}, tasks=("mre",))


@hookimpl
def register_heads(register: Register) -> None:
    """Register the head."""
    register("piecewise-max", piecewise_max, needs={"states"}, tasks=("mre",))


def pcnn(
    context: TextContext,
    *,
    glove: str | None = None,
    glove_words: NonNegativeInt = 50_000,
    word_width: PositiveInt = 50,
    position_width: PositiveInt = 5,
    max_distance: PositiveInt = 128,
    filters: PositiveInt = 230,
    input_dropout: UnitInterval = 0.0,
    singleton_unk: UnitInterval = 0.5,
    zero_digits: bool = False,
) -> TextEncoder:
    """PCNN: a convolution over word vectors and the distances to head and tail (Zeng et al. 2015).

    Args:
        context: Task, training examples, or the folder of a saved model.
        glove: Text file of word vectors; without it the vectors are learned.
        glove_words: Number of words at the beginning of that file that are known beyond those of the training text.
        word_width: Width of a word vector.
        position_width: Width of the vector of a distance, to the first word of the head and to that of the tail.
        max_distance: Distances of so many words and more share one vector.
        filters: Number of filters of the convolution.
        input_dropout: Dropout probability of the convolution's input.
        singleton_unk: Probability of reading a word that occurs once in the training text as unknown, in training.
        zero_digits: Read every digit as 0.

    Raises:
        ComponentError: There is no training text.
        ModelFolderError: The file of vectors cannot be read.

    Source: thunlp/OpenNRE, after Zeng et al. 2015; own: `input_dropout`, `singleton_unk`, and the small initial
    distance vectors.
    """
    from pathlib import Path

    from hvpkit.model.text.word_embedding import WordEmbeddingConfig, build_word_embedding

    from .encoder import Pcnn, PcnnConfig

    words = WordEmbeddingConfig(word_width, Path(glove) if glove else None, glove_words, singleton_unk, zero_digits)
    return Pcnn(build_word_embedding(context, words), PcnnConfig(position_width, max_distance, filters, input_dropout))


def piecewise_max(
    context: HeadContext, *, dropout: UnitInterval = 0.5, activation: Literal["relu", "tanh"] = "relu"
) -> Head:
    """Relation head: a linear map of the maxima of three segments around both entities (Zeng et al. 2015).

    Args:
        context: Labels and the width of the states.
        dropout: Dropout probability of the maxima.
        activation: `relu` before the maxima, as in OpenNRE, or `tanh` after them, as in the paper (recalled, not
            verified).

    Source: thunlp/OpenNRE, after Zeng et al. 2015.
    """
    from .segments import PiecewiseMaxHead

    return PiecewiseMaxHead(context, dropout, activation)
