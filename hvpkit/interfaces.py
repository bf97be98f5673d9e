"""Interfaces of all component kinds, with the data classes that they receive and return.

Shapes: B batch size, T text positions, n words, V image regions per example (the full image first), C pyramid levels,
P cells of the pooled grid, S = V*P prefix positions, d width of the text encoder, N its layers, H its attention heads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from hvpkit.config.recipe import ComponentSpec
from hvpkit.errors import ComponentError, InputError
from hvpkit.types import Entity, Example, Labels, Relation, Split, Task, VisualObject
from hvpkit.utils.tensor_dataclass import TensorDataclass

if TYPE_CHECKING:
    from PIL.Image import Image


# ---------------------------------------------------------------------------------------------- values
@dataclass(frozen=True)
class EncodedText:
    """One example as input of a text encoder.

    Attributes:
        features: Named tensors [T, ...] that the encoder's forward needs.
        word_starts: Position of each kept word's first wordpiece, [n'].
        word_ids: Index (0..n'-1) of the kept word of each position, -1 for special tokens and markers, [T].
        num_truncated_words: Number of words that did not fit.
        first_word: Index in the example of the first kept word; MRE windows may be cut on both sides.
        head_position: Position that represents the head entity (its marker if there is one); None for MNER.
        tail_position: The same for the tail entity.
    """

    features: dict[str, Tensor]
    word_starts: Tensor
    word_ids: Tensor
    num_truncated_words: int = 0
    first_word: int = 0
    head_position: int | None = None
    tail_position: int | None = None

    @property
    def length(self) -> int:
        """Return the number of positions T."""
        return len(self.word_ids)


@dataclass(frozen=True)
class TextBatch(TensorDataclass):
    """Texts of a batch, padded to the longest.

    Attributes:
        features: Named tensors [B, T, ...].
        mask: True at positions that are not padding, [B, T] bool.
        word_starts: Position of each word's first wordpiece, [B, n].
        word_mask: True for words that are not padding, [B, n] bool.
        word_ids: Word that each position belongs to, -1 for none, [B, T].
        head_position: Position that represents the head entity, [B]; None for MNER.
        tail_position: Position that represents the tail entity, [B]; None for MNER.
    """

    features: dict[str, Tensor]
    mask: Tensor
    word_starts: Tensor
    word_mask: Tensor
    word_ids: Tensor
    head_position: Tensor | None = None
    tail_position: Tensor | None = None


@dataclass(frozen=True)
class ImageBatch(TensorDataclass):
    """Image regions of a batch, as pixels or as cached features; K regions exist in the whole batch.

    Attributes:
        mask: True for regions that exist, [B, V] bool.
        boxes: Left, top, right and bottom of each region as fractions 0..1 of the full image, [B, V, 4].
        pixels: The K existing regions in the order of the mask, [K, 3, side, side]; None if `features` is set.
        features: C tensors [K, C_i, P], the outputs of the visual tower's pyramid; rows after the K-th are ignored.
    """

    mask: Tensor
    boxes: Tensor
    pixels: Tensor | None = None
    features: tuple[Tensor, ...] | None = None


@dataclass(frozen=True)
class Batch(TensorDataclass):
    """Input of a model.

    Attributes:
        text: The texts.
        images: The image regions; None if no example has an image.
        targets: Targets of the head by name; empty without labels.
        extras: Inputs of the fusion by name.
    """

    text: TextBatch
    images: ImageBatch | None
    targets: dict[str, Tensor] = field(default_factory=dict)
    extras: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Visual:
    """Feature pyramid of a batch.

    Attributes:
        levels: C tensors [B, V, C_i, P] from fine to coarse.
        images: The image regions that the pyramid was computed from.
    """

    levels: tuple[Tensor, ...]
    images: ImageBatch

    @property
    def mask(self) -> Tensor:
        """Return which image regions exist, [B, V] bool."""
        return self.images.mask

    def cells(self, all_levels: bool = False) -> tuple[Tensor, Tensor]:
        """Return the grid cells of all image regions as one sequence.

        Args:
            all_levels: Concatenate the channels of all levels instead of taking those of the last level.

        Returns:
            Cells [B, V*P, C], and which of them exist, [B, V*P] bool.
        """
        maps = torch.cat(self.levels, dim=2) if all_levels else self.levels[-1]  # [B, V, C, P]
        return maps.transpose(2, 3).flatten(1, 2), self.mask.repeat_interleave(maps.shape[3], dim=1)


@dataclass(frozen=True)
class Prefix:
    """Keys and values that each attention layer prepends to those of the text.

    A fusion whose prefix depends on the keys and values of the text overrides `for_layer`. Encoders that provide
    "layers" also call `enter_layer`, `receive_context` and `feed_forward_input`, in this order around `for_layer`, so
    that a fusion can run layers of its own between those of the encoder.

    Attributes:
        keys: N tensors [B, S, d], one per text layer.
        values: N tensors [B, S, d], one per text layer.
        mask: True for prefix positions that exist, [B, S] bool.
        bias: Number that is added to the attention scores of all prefix positions.
        mask_cache: Combined attention masks, shared by the layers; filled by the attention function.
    """

    keys: Sequence[Tensor]
    values: Sequence[Tensor]
    mask: Tensor
    bias: float = 0.0
    mask_cache: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def for_layer(self, layer: int, text_keys: Tensor, text_values: Tensor) -> tuple[Tensor, Tensor]:
        """Return the prefix keys and values of a layer, each [B, S, d].

        Args:
            layer: Index of the text layer.
            text_keys: Keys of the text in this layer, [B, H, T, d/H].
            text_values: Values of the text in this layer, [B, H, T, d/H].
        """
        return self.keys[layer], self.values[layer]

    def enter_layer(self, layer: int, states: Tensor) -> None:
        """Receive the states [B, T, d] that enter a text layer.

        Only the states that enter layer 0 are certain to be normalized embeddings; the default ignores them.
        """
        return None

    def receive_context(self, layer: int, context: Tensor) -> None:
        """Receive the output of a layer's attention before its output projection, [B, T, d]; the default ignores it."""
        return None

    def feed_forward_input(self, layer: int) -> Tensor | None:
        """Return what a layer's feed-forward map adds to its inner values before their activation.

        Args:
            layer: Index of the text layer.

        Returns:
            Values [B, T, F]; None adds nothing.
        """
        return None


@dataclass
class Trace:
    """Intermediate tensors of a forward pass, filled on request.

    Attributes:
        gates: Gate weights, [B, V, N, C].
        attention: Attention weights of each text layer, N tensors [B, H, T, S+T]; rows sum to 1.
        extra_tensors: Further tensors of a fusion, by name.
        cells: Cell v*P + p of image region v that each head's prefix position contains, [H, S]; None without a prefix.
        level_name: Display name of one of the C levels; set from the projector.
        cells_are_spatial: Whether the P cells are cells of the image's grid; set from the projector.
    """

    gates: Tensor | None = None
    attention: list[Tensor] = field(default_factory=list)
    extra_tensors: dict[str, Tensor] = field(default_factory=dict)
    cells: Tensor | None = None
    level_name: str = "level"
    cells_are_spatial: bool = True


@dataclass(frozen=True)
class TextStates:
    """Output of a text encoder.

    Attributes:
        states: Hidden states, [B, T, d].
        pooled: Summary of each text, [B, d]; None if the encoder has none.
    """

    states: Tensor
    pooled: Tensor | None = None


@dataclass(frozen=True)
class EmissionMix:
    """Emissions of a fusion, mixed into those of the head as `keep * emissions + added`.

    Attributes:
        keep: Weight of the head's emissions.
        added: Emissions of the fusion, [B, n, L].
    """

    keep: float
    added: Tensor


@dataclass(frozen=True)
class Fused:
    """Output of a fusion; at least one of `states` and `pooled` is set.

    Attributes:
        states: Fused states, [B, T, w].
        pooled: Fused summary of each text, [B, w].
        losses: Auxiliary losses by name, scalars.
        emissions: Emissions that the fusion adds to those of the head.
    """

    states: Tensor | None = None
    pooled: Tensor | None = None
    losses: dict[str, Tensor] = field(default_factory=dict)
    emissions: EmissionMix | None = None


# -------------------------------------------------------------------------------------------- contexts
@dataclass(frozen=True)
class TextContext:
    """What a text encoder is built from.

    Attributes:
        task: The task of the recipe.
        examples: Training examples, for vocabularies.
        folder: Folder of a saved encoder. If it is set (here and in the other contexts), weights are loaded later,
            and options that are paths or hub ids are not read.
    """

    task: Task
    examples: Sequence[Example] = ()
    folder: Path | None = None


@dataclass(frozen=True)
class VisionContext:
    """What a visual backbone is built from.

    Attributes:
        size: Side of its input images in pixels; None for the backbone's default.
        folder: Folder of a saved backbone.
    """

    size: int | None = None
    folder: Path | None = None


@dataclass(frozen=True)
class LevelInfo:
    """One pyramid level of a backbone.

    Attributes:
        channels: Number of channels C_i.
        stride: Stride in pixels.
        cells: Number of tokens if the level is a sequence [K, C_i, cells], which is not pooled; None for a map.
    """

    channels: int
    stride: int
    cells: int | None = None


def cell_width(levels: Sequence[LevelInfo], all_levels: bool = False) -> int:
    """Return the number of channels C of the cells that `Visual.cells` returns for these levels."""
    return sum(level.channels for level in levels) if all_levels else levels[-1].channels


@dataclass(frozen=True)
class PrefixConfig:
    """Dimensions that projectors and gates are built for.

    Attributes:
        channels: Channels of the C levels.
        cells: Cells P of the pooled grid.
        width: Width d of the text encoder (for gates: width of the projector).
        layers: Layers N of the text encoder.
    """

    channels: tuple[int, ...]
    cells: int
    width: int
    layers: int


@dataclass(frozen=True)
class FusionContext:
    """What a fusion is built from.

    A fusion must not register the encoder or the backbone as its submodule.

    Attributes:
        labels: The labels of the head.
        text: The text encoder.
        backbone: The visual backbone; None without images.
        cells: Cells P of the pooled grid.
        full_image: Whether the first image region is the full image.
        max_objects: Maximum number of object regions, which follow in the order of the example.
        build: Builds a nested component, such as a gate, from its kind, specification and context.
        examples: Training examples, for vocabularies.
        folder: Folder of a saved fusion.
        max_length: Maximum number of positions of an encoded text.
    """

    labels: Labels
    text: TextEncoder
    backbone: VisualBackbone | None
    cells: int
    full_image: bool
    max_objects: int
    build: Callable[[str, ComponentSpec, object], Any]
    examples: Sequence[Example] = ()
    folder: Path | None = None
    max_length: int = 128


@dataclass(frozen=True)
class HeadContext:
    """What a head is built from.

    Attributes:
        labels: The labels that it predicts.
        width: Width w of the fused states.
    """

    labels: Labels
    width: int


@dataclass(frozen=True)
class DetectorContext:
    """What an object detector is built from.

    Attributes:
        device: Device to run on; None for a GPU if there is one.
        batch_size: Number of queries in a batch.
    """

    device: str | None = None
    batch_size: int = 8


@dataclass(frozen=True)
class DetectionQuery:
    """An image and the phrases to search for in it.

    Attributes:
        image: Upright RGB image, possibly smaller than its file.
        size: Width and height of the file's image in pixels; boxes refer to this size.
        phrases: Phrases to search for.
        example: Example that the image belongs to, for detectors that look up annotated objects.
        split: Split of that example; None if it belongs to none.
    """

    image: Image
    size: tuple[int, int]
    phrases: tuple[str, ...]
    example: Example
    split: Split | None = None


# ------------------------------------------------------------------------------------------ interfaces
class TextEncoder(nn.Module, ABC):
    """Map text to hidden states. Built from (TextContext, **options).

    With `context.folder` set, an encoder reads its vocabulary from that folder and loads no weights.

    Attributes:
        width: Width d of the states.
        num_layers: Layers N that take a prefix; 0 for an encoder without prefix.
        num_attention_heads: Heads H of each layer; 0 for an encoder without prefix.
        feed_forward_width: Inner values F of each layer's feed-forward map; 0 for an encoder without "layers".
        graph_safe: Whether training steps with this component may be captured as CUDA graphs: on a GPU, it never waits
            for a value, and draws random numbers on the GPU only.
    """

    width: int
    num_layers: int = 0
    num_attention_heads: int = 0
    feed_forward_width: int = 0
    graph_safe: bool = False

    @abstractmethod
    def encode(self, example: Example, max_length: int) -> EncodedText:
        """Encode one example in at most `max_length` positions; for MRE both entities are kept.

        Raises:
            DataError: If both entities do not fit.
        """

    @abstractmethod
    def forward(self, text: TextBatch, prefix: Prefix | None = None, trace: Trace | None = None) -> TextStates:
        """Encode a batch.

        Args:
            text: The texts.
            prefix: Keys and values before those of the text; only for encoders that provide "prefix".
            trace: Filled with attention weights if given.
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write configuration and vocabulary, but no weights, so that `context.folder` can read them."""

    def pad_values(self) -> dict[str, int]:
        """Return the padding values of the features that are not padded with 0."""
        return {}

    def provenance_notes(self) -> list[str]:
        """Return notes to publish with the scores of this encoder, such as that its weights were not pretrained."""
        return []

    def vocabularies(self) -> Mapping[str, Sequence[str | None]]:
        """Return the row labels of each parameter that has a row per word, wordpiece or character.

        An encoder with another vocabulary uses them to load the rows that both have.

        Returns:
            By name of the parameter, the word, wordpiece or character of each row; None for a row without one.
        """
        return {}

    def randomly_initialized_parameters(self) -> Iterable[nn.Parameter]:
        """Return the parameters of a pretrained encoder that are randomly initialized.

        They get the learning rate of the fusion, not that of pretrained weights.
        """
        return ()

    def restrict_vocabulary(self, texts: Iterable[EncodedText]) -> None:  # noqa: B027 - optional
        """Freeze embedding rows that no training text uses.

        Called with the training set before the optimizer is built. The default leaves all rows trainable.
        """

    def keep_vocabulary(self) -> None:  # noqa: B027 - optional
        """Leave all embedding rows trainable, for a fusion that inserts words which no training text may use.

        `restrict_vocabulary` then has no effect.
        """

    def enable_prefix(self) -> None:
        """Prepare the encoder for prefixes.

        Raises:
            ComponentError: "prefix-unsupported" if the encoder would ignore a prefix.
        """
        raise ComponentError("prefix-unsupported", encoder=type(self).__name__)

    def enable_layers(self) -> None:
        """Prepare the encoder for prefixes that run between its layers; includes `enable_prefix`.

        Raises:
            ComponentError: "layers-unsupported" if the encoder would not call all methods of a prefix.
        """
        raise ComponentError("layers-unsupported", encoder=type(self).__name__)


class VisualBackbone(nn.Module, ABC):
    """Map images to C feature maps. Built from (VisionContext, *, weights, **options).

    Attributes:
        levels: The C levels, fine to coarse.
        min_decode_size: JPEGs may be decoded at reduced resolution down to this side length in pixels without
            affecting `transform`; None if every image must be decoded in full.
        graph_safe: Whether training steps with this component may be captured as CUDA graphs: on a GPU, it never waits
            for a value, and draws random numbers on the GPU only.
    """

    levels: tuple[LevelInfo, ...]
    min_decode_size: int | None = None
    graph_safe: bool = False

    @abstractmethod
    def transform(self, image: Image) -> Tensor:
        """Convert one upright RGB image to normalized pixels [3, side, side]."""

    @abstractmethod
    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Compute C maps [K, C_i, h_i, w_i], fine to coarse, from pixels [K, 3, side, side].

        A level with `LevelInfo.cells` is a tensor of tokens [K, C_i, cells] instead.
        """

    def provenance_notes(self) -> list[str]:
        """Return notes to publish with the scores of this backbone, such as that it was not trained on images."""
        return []

    def save(self, folder: Path) -> None:
        """Write what `context.folder` needs to build the backbone again, but no weights.

        The default writes nothing.
        """
        return None


class Projector(nn.Module, ABC):
    """Map pooled levels to the width of the text encoder. Built from (PrefixConfig, **options).

    Attributes:
        width: Width of its output: d, or 2d if the output already consists of keys and values.
        level_name: Display name of one of the C levels in explanations.
        cells_are_spatial: Whether the P cells are cells of the image's grid, so that explanations may draw them on it.
        graph_safe: Whether training steps with this component may be captured as CUDA graphs: on a GPU, it never waits
            for a value, and draws random numbers on the GPU only.
    """

    width: int
    level_name: str = "level"
    cells_are_spatial: bool = True
    graph_safe: bool = False

    @abstractmethod
    def forward(self, visual: Visual) -> Tensor:
        """Compute the projected levels [B, V, C, P, width]."""


class Gate(nn.Module, ABC):
    """Map levels to weights over the levels, for all text layers. Built from (PrefixConfig, **options).

    The width in its PrefixConfig is that of the projector.

    Attributes:
        graph_safe: Whether training steps with this component may be captured as CUDA graphs: on a GPU, it never waits
            for a value, and draws random numbers on the GPU only.
    """

    graph_safe: bool = False

    @abstractmethod
    def forward(self, levels: Tensor) -> Tensor:
        """Compute weights [B, V, N, C], non-negative and with sum 1 over C, from levels [B, V, C, P, width]."""

    def penalty(self, weights: Tensor, mask: Tensor) -> Tensor | None:
        """Compute a scalar to add to the loss, or return None.

        Args:
            weights: Weights of the gate, [B, V, N, C].
            mask: True for image regions that exist, [B, V] bool.
        """
        return None


class Fusion(nn.Module, ABC):
    """Map text and images to fused states. Built from (FusionContext, **options).

    Attributes:
        width: Width w of the fused states.
        graph_safe: Whether training steps with this component may be captured as CUDA graphs: on a GPU, it never waits
            for a value, and draws random numbers on the GPU only.
    """

    width: int
    graph_safe: bool = False

    @abstractmethod
    def forward(
        self,
        encoder: TextEncoder,
        text: TextBatch,
        visual: Visual | None,
        extras: dict[str, Tensor],
        trace: Trace | None = None,
    ) -> Fused:
        """Fuse text and images.

        Args:
            encoder: The text encoder.
            text: The texts.
            visual: The feature pyramid; None if no example has an image; the result then depends on the text alone.
            extras: The stacked results of `build_inputs`.
            trace: Filled with intermediate tensors if given.
        """

    def build_inputs(self, example: Example, encoded: EncodedText) -> dict[str, Tensor]:
        """Build additional inputs of this fusion for one example, such as edges of a graph.

        The result must be deterministic. Tensors are padded with 0 in every dimension and stacked into `extras`.
        """
        return {}

    def provenance_notes(self) -> list[str]:
        """Return notes to publish with the scores of this fusion, such as that it was not pretrained."""
        return []

    def pretrained_vision_parameters(self) -> Iterable[nn.Parameter]:
        """Return the parameters of this fusion that come from a pretrained vision model.

        They get the learning rate of the backbone, not that of new layers.
        """
        return ()

    def save(self, folder: Path) -> None:
        """Write what `context.folder` needs to build the fusion again; the default writes nothing."""
        return None


class Head(nn.Module, ABC):
    """Map fused states to scores, loss and predictions. Built from (HeadContext, **options).

    Attributes:
        graph_safe: Whether training steps with this component may be captured as CUDA graphs: on a GPU, it never waits
            for a value, and draws random numbers on the GPU only.
    """

    graph_safe: bool = False

    @abstractmethod
    def build_targets(self, example: Example, encoded: EncodedText) -> dict[str, Tensor]:
        """Build the targets of one labeled example; they are padded with 0 and stacked.

        A target with one value per position or word of the text is padded as the text is, others to the largest size
        in the batch.
        """

    @abstractmethod
    def forward(self, fused: Fused, text: TextBatch) -> Tensor:
        """Compute scores: emissions [B, n, L] or logits [B, classes].

        A head with tags of its own instead of the labels is registered with `provides={"other-tags"}`.
        """

    @abstractmethod
    def loss(self, scores: Tensor, text: TextBatch, targets: dict[str, Tensor]) -> Tensor:
        """Compute the mean loss of the batch, a scalar."""

    @abstractmethod
    def decode(self, scores: Tensor, text: TextBatch) -> list[list[Entity]] | list[Relation]:
        """Decode one prediction per example; word indices of entities count from the first encoded word."""

    def confidences(
        self, scores: Tensor, text: TextBatch, entities: Sequence[Sequence[Entity]]
    ) -> list[list[float | None]]:
        """Compute the probability of each of the given entities, predicted or not (MNER).

        The default returns the confidences of `decode`, and None for all other entities.

        Args:
            scores: Emissions, [B, n, L].
            text: The texts.
            entities: Entities of each row; their `confidence` is ignored.

        Returns:
            Probabilities 0..1 in the order of `entities`; None where the probability is unknown.
        """
        decoded = [
            {(e.start, e.end, e.type): e.confidence for e in row}
            for row in self.decode(scores, text)
            if isinstance(row, list)
        ]
        return [
            [confidences.get((e.start, e.end, e.type)) for e in row]
            for confidences, row in zip(decoded, entities, strict=True)
        ]


class ObjectDetector(ABC):
    """Detect objects in images. Built from (DetectorContext, **options).

    A detector that is registered with `needs={"phrases"}` searches for phrases; one with `needs={"dataset"}` returns
    the annotated objects of one dataset and finds none in other images.

    Attributes:
        version: Identifies what its results depend on besides its options, such as a hash of its weights.
        threshold: Default for the minimum score of objects.
    """

    version: str
    threshold: float = 0.0

    @abstractmethod
    def detect(self, queries: Sequence[DetectionQuery]) -> Sequence[Sequence[VisualObject] | InputError]:
        """Detect the objects of each query.

        The objects of one phrase must not depend on the other phrases. Duplicates and objects with a low score or a
        small box need not be removed: hvpkit/detection/nms.py does that.

        Returns:
            For each query its objects in any order, with boxes in pixels of `size`, scores 0..1 and the phrase or
            class; or the error of this query alone.
        """
