"""What each kind of component receives and returns: the whole program's inner borders, on one page.

Shapes: B batch, T text positions, n words, V images an example (the whole image first), C pyramid levels, P cells of the
pooled grid, S = V*P prefix positions, d width of the text encoder, N its layers, H its heads.
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


# ------------------------------------------------------------------------------------------------------------------ values
@dataclass(frozen=True)
class EncodedText:
    """One example as a text encoder reads it.

    `features`: named tensors [T, ...] that the encoder's forward needs; `word_starts` [n']: position of each kept word's first piece;
    `word_of` [T]: the kept word (0..n'-1) that each position belongs to, -1 for specials and markers; `words_cut`: how many words did
    not fit (MRE windows may cut on both sides, so `first_word` says where n' begins); `head_start`, `tail_start`: the position that
    stands for each entity (its marker where there is one), None for MNER.
    """

    features: dict[str, Tensor]
    word_starts: Tensor
    word_of: Tensor
    words_cut: int = 0
    first_word: int = 0
    head_position: int | None = None
    tail_position: int | None = None

    @property
    def length(self) -> int:
        """Say how many positions it takes, T."""
        return len(self.word_of)


@dataclass(frozen=True)
class TextBatch(TensorDataclass):
    """Texts padded to the longest: `features` [B, T, ...], `mask` [B, T] bool, `word_starts` [B, n] with `word_mask` [B, n] bool,
    `word_of` [B, T] (-1: no word), `head_start` and `tail_start` [B] (None for MNER)."""

    features: dict[str, Tensor]
    mask: Tensor
    word_starts: Tensor
    word_mask: Tensor
    word_of: Tensor
    head_position: Tensor | None = None
    tail_position: Tensor | None = None


@dataclass(frozen=True)
class ImageBatch(TensorDataclass):
    """The images of a batch: `mask` [B, V] bool says which exist, K in all.

    `pixels` [K, 3, side, side] holds the existing ones alone, in the mask's order; or `features`, C tensors [K, C_i, P], what the
    visual tower would make of them (rows after the K-th, if there are any, mean nothing). `boxes` [B, V, 4]: left, top, right, bottom in
    shares 0..1 of the whole image.
    """

    mask: Tensor
    boxes: Tensor
    pixels: Tensor | None = None
    features: tuple[Tensor, ...] | None = None


@dataclass(frozen=True)
class Batch(TensorDataclass):
    """All that a model needs: texts, images (None when no example has one), the head's targets and the fusion's own inputs."""

    text: TextBatch
    images: ImageBatch | None
    targets: dict[str, Tensor] = field(default_factory=dict)
    extras: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Visual:
    """The pyramid: `levels`, C tensors [B, V, C_i, P] from fine to coarse; and the images that it was made of."""

    levels: tuple[Tensor, ...]
    images: ImageBatch

    @property
    def mask(self) -> Tensor:
        """Say which images exist, [B, V] bool."""
        return self.images.mask

    def cells(self, every_level: bool = False) -> tuple[Tensor, Tensor]:
        """Give all images' cells side by side, [B, V*P, C], and which exist, [B, V*P] bool.

        C is the last level's channels, or with `every_level` those of all levels, one after the other.
        """
        maps = torch.cat(self.levels, dim=2) if every_level else self.levels[-1]  # [B, V, C, P]
        return maps.transpose(2, 3).flatten(1, 2), self.mask.repeat_interleave(maps.shape[3], dim=1)


@dataclass(frozen=True)
class Prefix:
    """Keys and values that stand before the text's own: N tensors [B, S, d] each, and `mask` [B, S] bool.

    A fusion whose prefix depends on the text's own keys and values overrides `at`. In `extended` attention keeps what it has made of the
    mask for one layer, for the others.
    """

    keys: Sequence[Tensor]
    values: Sequence[Tensor]
    mask: Tensor
    mask_cache: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def for_layer(self, layer: int, own_keys: Tensor, own_values: Tensor) -> tuple[Tensor, Tensor]:
        """Give a layer's prefix [B, S, d], twice; `own_keys` and `own_values` [B, H, T, d/H] are the text's."""
        return self.keys[layer], self.values[layer]


@dataclass
class Trace:
    """What a forward pass saw, filled on request: `gates` [B, V, N, C]; `attention`, N tensors [B, H, T, S+T], rows sum to 1; whatever
    else a fusion has to show, by name.

    `cells` [H, S]: the cell v*P + p of image v that each head's prefix position carries (None: no images stand in the prefix);
    `level_name` and `cells_are_places` are the projector's.
    """

    gates: Tensor | None = None
    attention: list[Tensor] = field(default_factory=list)
    extra_tensors: dict[str, Tensor] = field(default_factory=dict)
    cells: Tensor | None = None
    level_name: str = "level"
    cells_are_spatial: bool = True


@dataclass(frozen=True)
class TextStates:
    """What a text encoder gives: `states` [B, T, d] and, if it has one, a `pooled` summary [B, d]."""

    states: Tensor
    pooled: Tensor | None = None


@dataclass(frozen=True)
class EmissionMix:
    """A fusion's own say on the tags: emissions become `keep * emissions + added`, added [B, n, tags]."""

    keep: float
    added: Tensor


@dataclass(frozen=True)
class Fused:
    """What a fusion gives the head: `states` [B, T, w] and/or `pooled` [B, w], auxiliary `losses`, an emission mix."""

    states: Tensor | None = None
    pooled: Tensor | None = None
    losses: dict[str, Tensor] = field(default_factory=dict)
    emissions: EmissionMix | None = None


# ---------------------------------------------------------------------------------------------------------------- contexts
@dataclass(frozen=True)
class TextContext:
    """What a text encoder is built from: the task and the training examples (for vocabularies), or the folder it was saved in.

    With `folder` set (here and in the other contexts) weights follow from elsewhere, and no path or hub id among the options is read.
    """

    task: Task
    examples: Sequence[Example] = ()
    folder: Path | None = None


@dataclass(frozen=True)
class VisionContext:
    """What a backbone is built from: the images' side in pixels (None: the backbone's own); `folder` as for text."""

    size: int | None = None
    folder: Path | None = None


@dataclass(frozen=True)
class LevelInfo:
    """One level of a backbone: channels, stride in pixels; `cells` when it gives tokens [K, C_i, cells], which are not pooled."""

    channels: int
    stride: int
    cells: int | None = None


def cell_width(levels: Sequence[LevelInfo], every_level: bool = False) -> int:
    """Give the channels C of the cells that `Visual.cells` gives of these levels."""
    return sum(level.channels for level in levels) if every_level else levels[-1].channels


@dataclass(frozen=True)
class PrefixConfig:
    """What projectors and gates are built for: channels of the C levels, P cells, width d, N text layers."""

    channels: tuple[int, ...]
    cells: int
    width: int
    layers: int


@dataclass(frozen=True)
class FusionContext:
    """What a fusion is built for: the labels, the text encoder, the backbone (None: no images), P cells, which V images.

    The first image is the `whole` one (unless that is False), then `objects`, in the example's order. `build(kind, part, context)`
    makes the smaller components that it is composed of, such as its gate. A fusion keeps neither encoder nor backbone as its own.
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


@dataclass(frozen=True)
class HeadContext:
    """What a head is built for: the labels and the width w of the fused states."""

    labels: Labels
    width: int


@dataclass(frozen=True)
class DetectorContext:
    """What an object detector is built from: the device it runs on (None: a GPU if there is one), how many queries it takes at once."""

    device: str | None = None
    batch_size: int = 8


@dataclass(frozen=True)
class DetectionQuery:
    """An image to look at and what for.

    `image` is upright RGB, perhaps smaller than its file, whose `size` (width, height) boxes are counted in; `example` and `split` say
    whose image it is, for those who look objects up.
    """

    image: Image
    size: tuple[int, int]
    phrases: tuple[str, ...]
    example: Example
    split: Split | None = None


# --------------------------------------------------------------------------------------------------------------- contracts
class TextEncoder(nn.Module, ABC):
    """Words to states. Built from (TextContext, **options); with `context.folder` set it reads its vocabulary there, no weights."""

    width: int
    num_layers: int = 0
    num_attention_heads: int = 0

    @abstractmethod
    def encode(self, example: Example, max_length: int) -> EncodedText:
        """Turn one example into at most `max_length` positions; for MRE the window keeps both entities.

        Raises DataError when both entities do not fit.
        """

    @abstractmethod
    def forward(self, text: TextBatch, prefix: Prefix | None = None, trace: Trace | None = None) -> TextStates:
        """Read a batch; an encoder that cannot take a prefix does not list "prefix" among what it provides."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write configuration and vocabulary (not the weights) so that `context.folder` can read them."""

    def pad_values(self) -> dict[str, int]:
        """Name the features whose padding is not 0."""
        return {}

    def provenance_notes(self) -> list[str]:
        """Say what a score of this encoder must name, after training: weights that began at random, where others came from."""
        return []

    def vocabularies(self) -> Mapping[str, Sequence[str | None]]:
        """Name the parameters with a row for each known word, piece or character, and what each row stands for (None: nothing).

        With it, weights can be taken over by an encoder of another vocabulary.
        """
        return {}

    def randomly_initialized_parameters(self) -> Iterable[nn.Parameter]:
        """Give the parameters that begin at random within a pretrained network: they learn at the fusion's rate."""
        return ()

    def restrict_vocabulary(self, texts: Iterable[EncodedText]) -> None:  # noqa: B027 - an encoder may leave all rows to the optimizer
        """Hear, before AdamW is made, of all texts that training reads: rows of a vocabulary that none of them uses need no gradients."""

    def enable_prefix(self) -> None:
        """Get ready for prefixes; raises ComponentError for an encoder that would ignore them."""
        raise ComponentError("prefix-unsupported", encoder=type(self).__name__)


class VisualBackbone(nn.Module, ABC):
    """Images to C maps. Built from (VisionContext, *, weights, **options).

    `ample`: `transform` makes as good as the same of a JPEG that was decoded at a reduced size, neither side shorter than this many pixels
    (None: it wants every image in full).
    """

    levels: tuple[LevelInfo, ...]
    min_decode_size: int | None = None

    @abstractmethod
    def transform(self, image: Image) -> Tensor:
        """Turn one upright RGB image into pixels [3, side, side], normalised."""

    @abstractmethod
    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Map pixels [K, 3, side, side] to C maps [K, C_i, h_i, w_i], fine to coarse (or tokens [K, C_i, cells], see LevelInfo)."""

    def provenance_notes(self) -> list[str]:
        """Say what a reader of scores must know, such as that no image was ever learnt from; nothing by default."""
        return []

    def save(self, folder: Path) -> None:
        """Write what `context.folder` must find to build the backbone again (not the weights); nothing by default."""
        return None


class Projector(nn.Module, ABC):
    """Pooled maps to levels. Built from (PrefixConfig, **options).

    `width` is d, or 2d when the levels already are keys and values side by side. `level_name` is what one of the C is called, and
    `cells_are_places` whether the P are cells of the image's grid: explanations say no more of them than is true.
    """

    width: int
    level_name: str = "level"
    cells_are_places: bool = True

    @abstractmethod
    def forward(self, visual: Visual) -> Tensor:
        """Give [B, V, C, P, width]."""


class Gate(nn.Module, ABC):
    """Levels to weights over levels, all layers at once. Built from (PrefixConfig, **options); its width is the projector's."""

    @abstractmethod
    def forward(self, levels: Tensor) -> Tensor:
        """Map [B, V, C, P, width] to weights [B, V, N, C] that are >= 0 and sum to 1 over C."""

    def penalty(self, weights: Tensor, mask: Tensor) -> Tensor | None:
        """Give a scalar to add to the loss, from weights [B, V, N, C] and the mask [B, V] of existing images; None: nothing."""
        return None


class Fusion(nn.Module, ABC):
    """Text encoder, text and images to fused states. Built from (FusionContext, **options)."""

    width: int

    @abstractmethod
    def forward(
        self, encoder: TextEncoder, text: TextBatch, visual: Visual | None, extras: dict[str, Tensor], trace: Trace | None = None
    ) -> Fused:
        """Fuse; without images this is what the system does on text alone."""

    def build_inputs(self, example: Example, encoded: EncodedText) -> dict[str, Tensor]:
        """Give this fusion's own inputs for one example (edges, spans, ...), always the same for the same example.

        Each is padded with 0 in every dimension and stacked into `extras`.
        """
        return {}

    def save(self, folder: Path) -> None:
        """Write what `context.folder` must find to build the fusion again, such as a vocabulary; nothing by default."""
        return None


class Head(nn.Module, ABC):
    """Fused states to scores, loss and decoded predictions. Built from (HeadContext, **options)."""

    @abstractmethod
    def build_targets(self, example: Example, encoded: EncodedText) -> dict[str, Tensor]:
        """Give one labelled example's targets; each is padded with 0 and stacked into `targets`.

        One with a number for each of the text's positions or words is padded as those are, others to the batch's largest.
        """

    @abstractmethod
    def forward(self, fused: Fused, text: TextBatch) -> Tensor:
        """Give scores: emissions [B, n, tags] or logits [B, classes]."""

    @abstractmethod
    def loss(self, scores: Tensor, text: TextBatch, targets: dict[str, Tensor]) -> Tensor:
        """Give the mean loss of the batch, a scalar."""

    @abstractmethod
    def decode(self, scores: Tensor, text: TextBatch) -> list[list[Entity]] | list[Relation]:
        """Give one prediction an example; an entity's words count from the encoded text's first word."""

    def confidences(self, scores: Tensor, text: TextBatch, asked: Sequence[Sequence[Entity]]) -> list[list[float | None]]:
        """Give the probability 0..1 that these scores give each row's entities, decoded or not (MNER; None: not known).

        The confidences of the entities asked for are not read. A head that has no better way knows those that it decodes.
        """
        found = [{(e.start, e.end, e.type): e.confidence for e in row} for row in self.decode(scores, text) if isinstance(row, list)]
        return [[known.get((e.start, e.end, e.type)) for e in row] for known, row in zip(found, asked, strict=True)]


class ObjectDetector(ABC):
    """Images and phrases to scored boxes. Built from (DetectorContext, **options).

    `version` says what its answers hang on besides its options, such as a digest of its weights; `threshold` is the score that objects are
    kept from unless the user says otherwise. One that is registered with `needs={"phrases"}` looks for phrases; with `needs={"dataset"}`,
    it knows the objects of one dataset and finds none in other images.
    """

    version: str
    threshold: float = 0.0

    @abstractmethod
    def detect(self, queries: Sequence[DetectionQuery]) -> Sequence[Sequence[VisualObject] | InputError]:
        """Give each query's objects, or what is wrong with that query alone.

        Boxes are in pixels of `size`, in any order, with scores 0..1 and what was looked for or seen there.

        Each phrase is a query of its own: what is found for it does not hang on the others. Duplicates, faint and tiny boxes are welcome:
        hvpkit/detection/nms.py chooses.
        """
