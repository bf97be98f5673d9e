"""HBiLSTM-CRF: a character BiLSTM feeds a word BiLSTM, with a CRF over IOBES tags on top (Lample et al. 2016).

"Neural Architectures for Named Entity Recognition", NAACL 2016. Layers, gates, initialization and dropout are
those of the authors' code (glample/tagger, commit 1c96188); tests/plugins/test_hbilstm_crf_golden.py has its numbers.
The learning rate of the paper (0.01) is recalled, not verified; the code has 0.005. Own: batches of several sentences,
the start state for a word without known characters (the code reads the state after the padding), lower case for
characters that are unknown in upper case, words cut after 50 characters, and the alternative `cell: lstm`. Vocabularies
are those of the training text and of the file of vectors, not of dev and test. In a recipe: `text: {encoder: hbilstm}`
with `head: {name: crf-iobes}`. The head works with other text encoders too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from hvpkit.config.option_types import NonNegativeInt, PositiveInt, UnitInterval
from hvpkit.hookspecs import Register, hookimpl

if TYPE_CHECKING:
    from hvpkit.interfaces import Head, HeadContext, TextContext, TextEncoder


@hookimpl
def register_text_encoders(register: Register) -> None:
    """Register the encoder; every command imports this module, so it does not import torch."""
    register("hbilstm", hbilstm, provides={"states"})


@hookimpl
def register_heads(register: Register) -> None:
    """Register the head, whose emissions are of IOBES tags instead of the labels."""
    register("crf-iobes", crf_iobes, needs={"states"}, provides={"other-tags"}, tasks=("mner",))


def hbilstm(
    context: TextContext,
    *,
    glove: str | None = None,
    glove_words: NonNegativeInt = 50_000,
    word_width: PositiveInt = 100,
    character_width: PositiveInt = 25,
    character_hidden: PositiveInt = 25,
    capitalization_width: NonNegativeInt = 0,
    hidden: PositiveInt = 100,
    cell: Literal["coupled", "lstm"] = "coupled",
    dropout: UnitInterval = 0.5,
    dropout_scale: Literal["evaluation", "training"] = "evaluation",
    singleton_unk: UnitInterval = 0.5,
    zero_digits: bool = False,
) -> TextEncoder:
    """BiLSTM over word vectors and a character BiLSTM (Lample et al. 2016).

    Args:
        context: Task, training examples, or the folder of a saved model.
        glove: Text file of word vectors; without it the vectors are learned.
        glove_words: Number of words at the beginning of that file that are known beyond those of the training text.
        word_width: Width of a word vector.
        character_width: Width of a character vector.
        character_hidden: Width of one direction of the character LSTM.
        capitalization_width: Width of the vector of a word's capitalization, one of four; 0 for none.
        hidden: Width of one direction of the word LSTM, and of the states.
        cell: `coupled` for input gates that set the forget gates, with peepholes and learned start states, or `lstm`
            for torch's LSTM.
        dropout: Dropout probability of the word LSTM's input.
        dropout_scale: Where dropout is compensated: inputs are multiplied by 1 - p in `evaluation`, as in the authors'
            code, or divided by 1 - p in `training`, as in torch.
        singleton_unk: Probability of reading a word that occurs once in the training text as unknown, in training.
        zero_digits: Read every digit as 0.

    Raises:
        ComponentError: There is no training text.
        ModelFolderError: The file of vectors cannot be read.

    Source: glample/tagger; own: `cell: lstm` and `dropout_scale: training`.
    """
    from pathlib import Path

    from hvpkit.model.text.word_embedding import WordEmbeddingConfig

    from .encoder import HBilstmConfig, build

    file = Path(glove) if glove else None
    words = WordEmbeddingConfig(word_width, file, glove_words, singleton_unk, zero_digits, init="glorot")
    sizes = HBilstmConfig(
        character_width, character_hidden, capitalization_width, hidden, cell, dropout, dropout_scale == "evaluation"
    )
    return build(context, words, sizes)


def crf_iobes(context: HeadContext, *, dropout: UnitInterval = 0.0) -> Head:
    """CRF head over IOBES tags: labels are converted to IOBES for training, and predictions back to BIO.

    Args:
        context: Labels and the width of the states.
        dropout: Dropout probability of the states.

    Source: glample/tagger.
    """
    from .head import IobesCrfHead

    return IobesCrfHead(context, dropout)
