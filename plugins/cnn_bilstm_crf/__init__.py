"""CNN-BiLSTM-CRF: characters through a CNN, beside word vectors, through a BiLSTM, to a CRF (Ma & Hovy 2016).

Shapes and rates are the paper's as recalled, not verified; those of the authors' later release (XuezheMax/NeuroNLP2) were read in its
code. The vectors of unknown words are our own: `singleton_unk`, and words in lower case that are not known as they are written. Of the
later release its layers can be had (recipe `cnn_bilstm_crf_later_mner`), not its CRF, whose transitions depend on the position, nor its
dropout inside the LSTM.
In a recipe: `text: {encoder: cnn-bilstm}` with `head: {name: crf, dropout: 0.5}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from hvpkit.config.option_types import NonNegativeInt, PositiveInt, UnitInterval
from hvpkit.hookspecs import Register, hookimpl

if TYPE_CHECKING:
    from hvpkit.interfaces import TextContext, TextEncoder


@hookimpl
def register_text_encoders(register: Register) -> None:
    """Register the encoder; like every module of a plugin that has hooks, this one comes without torch."""
    register("cnn-bilstm", cnn_bilstm, provides={"states"})


def cnn_bilstm(
    context: TextContext,
    *,
    glove: str | None = None,
    glove_words: NonNegativeInt = 50_000,
    word_width: PositiveInt = 100,
    character_width: PositiveInt = 30,
    character_layers: Literal[1, 2] = 1,
    hidden: PositiveInt = 200,
    projection: PositiveInt | None = None,
    dropout: UnitInterval = 0.5,
    singleton_unk: UnitInterval = 0.5,
    zero_digits: bool = True,
) -> TextEncoder:
    """A BiLSTM over word vectors and a CNN of each word's characters, with vocabularies learnt from the training text (Ma & Hovy 2016).

    `glove` is a text file of word vectors, whose `glove_words` first words are known beyond those of the training text; without it vectors
    are learnt. `singleton_unk` hides words that training text holds once, and `zero_digits` reads digits as 0. `projection` adds a linear
    map with ELU after the BiLSTM, and `character_layers: 2` a second convolution (the later release). Raises ComponentError without
    training text, ModelFolderError when the file of vectors cannot be read.
    """
    from pathlib import Path

    from hvpkit.model.text.word_embedding import WordEmbeddingConfig

    from .encoder import CnnBilstmConfig, build

    words = WordEmbeddingConfig(word_width, Path(glove) if glove else None, glove_words, singleton_unk, zero_digits)
    return build(context, words, CnnBilstmConfig(character_width, character_layers, hidden, projection, dropout))
