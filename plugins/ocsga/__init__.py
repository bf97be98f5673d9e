"""OCSGA: the names of detected objects guide a BiLSTM tagger by a dense co-attention block (Wu et al. 2020).

"Multimodal Representation with Embedded Visual Guiding Objects for Named Entity Recognition in Social Media Posts", ACM
Multimedia 2020. An encoder (`char-bilstm`), the fusion, and a backbone without pixels (`object-labels`), since the
network sees nothing of an image but the labels that a detector wrote. Layers, norms and training are those of the
authors' code (softhuafei/Pytorch-implementation-for-OCSGA); the settings that the paper states are not verified. Own:
an object vocabulary of the training set alone, learned object vectors without a file of vectors, `singleton_unk`, words
cut after 50 characters, no guidance without objects (the authors' code adds a constant: `without_objects: constant`),
batch statistics of words without padding (there with: `batch_norm: padded`), and the use for relations. In a recipe:
`text: {encoder: char-bilstm}`, `vision: {backbone: object-labels, weights: none, full_image: false, grid: 1}`,
`fusion: ocsga` with `head: {name: crf, dropout: 0.0}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from hvpkit.config.option_types import NonNegativeInt, PositiveInt, UnitInterval
from hvpkit.hookspecs import Register, hookimpl

from . import messages  # noqa: F401 - adds the templates

if TYPE_CHECKING:
    from hvpkit.interfaces import Fusion, FusionContext, TextContext, TextEncoder, VisionContext, VisualBackbone


@hookimpl
def register_text_encoders(register: Register) -> None:
    """Register the encoder; every command imports this module, so it does not import torch."""
    register("char-bilstm", char_bilstm, provides={"states"})


@hookimpl
def register_fusions(register: Register) -> None:
    """Register the fusion, for any text encoder with states."""
    register("ocsga", ocsga, needs={"images", "states"}, provides={"states"})


@hookimpl
def register_visual_backbones(register: Register) -> None:
    """Register the backbone without pixels."""
    register("object-labels", object_labels)


def char_bilstm(
    context: TextContext,
    *,
    glove: str | None = None,
    glove_words: NonNegativeInt = 50_000,
    word_width: PositiveInt = 200,
    character_width: PositiveInt = 30,
    character_hidden: PositiveInt = 25,
    hidden: PositiveInt = 100,
    dropout: UnitInterval = 0.5,
    singleton_unk: UnitInterval = 0.5,
    zero_digits: bool = True,
) -> TextEncoder:
    """BiLSTM over word vectors and the last states of a character BiLSTM (Wu et al. 2020).

    Args:
        context: Task, training examples, or the folder of a saved model.
        glove: Text file of word vectors; without it the vectors are learned.
        glove_words: Number of words at the beginning of that file that are known beyond those of the training text.
        word_width: Width of a word vector.
        character_width: Width of a character vector.
        character_hidden: Width of one direction of the character LSTM.
        hidden: Width of one direction of the word LSTM.
        dropout: Dropout probability of character vectors, of the word LSTM's input and of its output.
        singleton_unk: Probability of reading a word that occurs once in the training text as unknown, in training.
        zero_digits: Read every digit as 0, in words and as a character.

    Raises:
        ComponentError: There is no training text.
        ModelFolderError: The file of vectors cannot be read.

    Source: softhuafei/Pytorch-implementation-for-OCSGA; own: `singleton_unk`.
    """
    from pathlib import Path

    from hvpkit.model.text.word_embedding import WordEmbeddingConfig

    from .encoder import CharBilstmConfig, build

    words = WordEmbeddingConfig(word_width, Path(glove) if glove else None, glove_words, singleton_unk, zero_digits)
    return build(context, words, CharBilstmConfig(character_width, character_hidden, hidden, dropout))


def ocsga(
    context: FusionContext,
    *,
    glove: str | None = None,
    glove_words: NonNegativeInt = 50_000,
    object_width: PositiveInt = 200,
    max_words: PositiveInt = 4,
    num_layers: PositiveInt = 1,
    num_attention_heads: PositiveInt = 2,
    dropout: UnitInterval = 0.6,
    singleton_unk: UnitInterval = 0.5,
    without_objects: Literal["zero", "constant"] = "zero",
    batch_norm: Literal["words", "padded"] = "words",
) -> Fusion:
    """OCSGA: words attend to the names of detected objects (Wu et al. 2020).

    Args:
        context: Text encoder, images and training examples.
        glove: Text file of word vectors for object names, which are not trained; without it they are learned.
        glove_words: Number of words at the beginning of that file that are known beyond the names of the training set.
        object_width: Width of the vector of an object word.
        max_words: Maximum number of words of an image's object names, in the order of its objects.
        num_layers: Number of self-attention layers of the text.
        num_attention_heads: Heads of each layer; they divide the width of the text encoder.
        dropout: Dropout probability of attention weights and of the output of each layer's parts.
        singleton_unk: Probability of reading an object word that occurs once in the training set as unknown, in
            training; not used with `glove`.
        without_objects: What is added to the words of a text without objects: nothing (`zero`), or the `constant` of
            the authors' code, which attends to padding.
        batch_norm: Positions of the batch statistics in training: real `words`, or `padded` texts as in the authors'
            code.

    Raises:
        ComponentError: "ocsga-without-objects" or "ocsga-width-not-divisible".
        ModelFolderError: The file of vectors cannot be read.

    Source: softhuafei/Pytorch-implementation-for-OCSGA; own: `without_objects: zero`, `batch_norm: words`,
        `singleton_unk`.
    """
    from pathlib import Path

    from hvpkit.model.text.word_embedding import WordEmbeddingConfig

    from .fusion import OcsgaFusion, OcsgaOptions

    unknown = 0.0 if glove else singleton_unk
    words = WordEmbeddingConfig(object_width, Path(glove) if glove else None, glove_words, unknown, zeros=True)
    options = OcsgaOptions(
        words,
        max_words,
        num_layers,
        num_attention_heads,
        dropout,
        without_objects == "constant",
        batch_norm == "padded",
    )
    return OcsgaFusion(context, options)


def object_labels(context: VisionContext, *, weights: Literal["none"] = "none") -> VisualBackbone:
    """No pixels: for fusions that read the labels of objects.

    Args:
        context: Image size, which does not matter.
        weights: Always `none`.

    Source: own.
    """
    from .backbone import ObjectLabels

    return ObjectLabels(context)
