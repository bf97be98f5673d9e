"""CNN-BiLSTM-CRF: a character CNN and word vectors, a BiLSTM over both, and a CRF (Ma & Hovy 2016).

Layer sizes and learning rates are those of the paper as recalled, not verified; those of the authors' later release
(XuezheMax/NeuroNLP2) are taken from its code. The handling of unknown words is own: `singleton_unk`, and lower-casing
of words that are unknown in their written form. The recipe `cnn_bilstm_crf_later_mner` has the layers of the later
release, but not its CRF, whose transitions depend on the position, nor its dropout inside the LSTM. In a recipe:
`text: {encoder: cnn-bilstm}` with `head: {name: crf, dropout: 0.5}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from hvpkit.config.option_types import NonNegativeInt, PositiveInt, UnitInterval
from hvpkit.hookspecs import Register, hookimpl

if TYPE_CHECKING:
    from hvpkit.interfaces import TextContext, TextEncoder


@hookimpl
def register_text_encoders(register: Register) -> None:
    """Register the encoder; every command imports this module, so it does not import torch."""
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
    """BiLSTM over word vectors and a character CNN (Ma & Hovy 2016).

    Args:
        context: Task, training examples, or the folder of a saved model.
        glove: Text file of word vectors; without it the vectors are learned.
        glove_words: Number of words at the beginning of that file that are known beyond those of the training text.
        word_width: Width of a word vector.
        character_width: Width of a character vector, and number of filters of the character CNN.
        character_layers: Convolutions over characters; 2 in the authors' later release.
        hidden: Width of one direction of the LSTM.
        projection: Width of a linear map with ELU after the BiLSTM, as in the later release; none by default.
        dropout: Dropout probability of character vectors and of the LSTM's input.
        singleton_unk: Probability of reading a word that occurs once in the training text as unknown, in training.
        zero_digits: Read every digit as 0.

    Raises:
        ComponentError: There is no training text.
        ModelFolderError: The file of vectors cannot be read.

    Source: Ma & Hovy 2016, recalled; XuezheMax/NeuroNLP2 for the later release; own: `singleton_unk`.
    """
    from pathlib import Path

    from hvpkit.model.text.word_embedding import WordEmbeddingConfig

    from .encoder import CnnBilstmConfig, build

    words = WordEmbeddingConfig(word_width, Path(glove) if glove else None, glove_words, singleton_unk, zero_digits)
    return build(context, words, CnnBilstmConfig(character_width, character_layers, hidden, projection, dropout))
