"""PCNN: a convolution over words and their distances to both entities, its maxima taken between the entities (Zeng et al. 2015).

Shapes and rates were read in OpenNRE (thunlp/OpenNRE), the code base that MEGA's authors extend; what the original paper does otherwise
is recalled, not verified. In a recipe: `text: {encoder: pcnn}`, `head: piecewise-max`; the head works with other text encoders too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from hvpkit.config.option_types import NonNegativeInt, PositiveInt, UnitInterval
from hvpkit.hookspecs import Register, hookimpl

if TYPE_CHECKING:
    from hvpkit.interfaces import Head, HeadContext, TextContext, TextEncoder


@hookimpl
def register_text_encoders(register: Register) -> None:
    """Register the encoder; it reads where the pair is, so it is for relations."""
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
    """A convolution over word vectors and two distances, to the head's and the tail's first word (Zeng et al. 2015, as in OpenNRE).

    Distances of `max_distance` words and more count as `max_distance`. `glove` is a text file of word vectors, whose `glove_words` first words are known
    beyond those of the training text; without it vectors are learnt. Our own: `singleton_unk` hides words that training text holds once,
    `input_dropout` drops numbers that the convolution reads, vectors of distances begin as small as those of words. `zero_digits` reads
    digits as 0. Raises ComponentError without training text, ModelFolderError when the file cannot be read.
    """
    from pathlib import Path

    from hvpkit.model.text.word_embedding import WordEmbeddingConfig, build_word_embedding

    from .encoder import Pcnn, PcnnConfig

    words = WordEmbeddingConfig(word_width, Path(glove) if glove else None, glove_words, singleton_unk, zero_digits)
    return Pcnn(build_word_embedding(context, words), PcnnConfig(position_width, max_distance, filters, input_dropout))


def piecewise_max(context: HeadContext, *, dropout: UnitInterval = 0.5, activation: Literal["relu", "tanh"] = "relu") -> Head:
    """A linear map of three maxima: up to the first entity's start, from there to the second's, and after it (Zeng et al. 2015).

    `relu` before the maxima is OpenNRE's, `tanh` after them the original's (recalled, not verified).
    """
    from .segments import PiecewiseMaxHead

    return PiecewiseMaxHead(context, dropout, activation)
