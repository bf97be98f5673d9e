"""What an explanation of one text with its images holds: plain values, all counted in words, characters, layers and shares (no torch).

Letters: n words, V images (the whole one first, if used), N text layers, C levels, P cells of an image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from hvpkit.messages import Message
from hvpkit.types import Box, Prediction, Span, TextEntity, TextSpan

ChangeKind = Literal["no images", "no object", "no whole image", "other image"]
ImageKind = Literal["whole", "object", "blank"]
GROUPS = ("lower", "middle", "upper")
ALL = "all layers"


@dataclass(frozen=True)
class ModelImage:
    """One of the V images that the model saw, in its order.

    `kind` is "blank" where an empty image stands for a missing one (release of Chen et al. 2022). `file` is what was decoded, or `box` of
    it; `place` is left, top, right, bottom in shares 0..1 of the whole image, None where it is not known.
    """

    name: str
    kind: ImageKind
    file: Path | None = None
    box: Box | None = None
    place: tuple[float, float, float, float] | None = None
    phrase: str | None = None
    score: float | None = None

    @property
    def title(self) -> str:
        """Give the name, and what was looked for."""
        return f"{self.name} ({self.phrase})" if self.phrase else self.name


@dataclass(frozen=True)
class AttentionShares:
    """Where some words look: shares of their attention, mean over heads and over their positions; each layer's add up to 1.

    `cells` [N][V][P] on the images' cells, `text` [N] on the text itself.
    """

    cells: tuple[tuple[tuple[float, ...], ...], ...]
    text: tuple[float, ...]

    def by_image(self, layers: Sequence[int]) -> tuple[float, ...]:
        """Give the share of each image [V], mean over layers."""
        return tuple(mean([sum(self.cells[layer][v]) for layer in layers]) for v in range(len(self.cells[0])))

    def by_cell(self, layers: Sequence[int]) -> tuple[tuple[float, ...], ...]:
        """Give the share of each cell [V][P], mean over layers."""
        return tuple(
            tuple(mean([self.cells[layer][v][p] for layer in layers]) for p in range(len(self.cells[0][v])))
            for v in range(len(self.cells[0]))
        )

    def on_text(self, layers: Sequence[int]) -> float:
        """Give the share of the text itself, mean over layers."""
        return mean([self.text[layer] for layer in layers])


@dataclass(frozen=True)
class LayerGroup:
    """Neighbouring layers, counted from 0, that are read together."""

    name: str
    layers: tuple[int, ...]

    @property
    def title(self) -> str:
        """Give the layers' numbers, counted from 1."""
        first, last = self.layers[0] + 1, self.layers[-1] + 1
        return f"layer {first}" if first == last else f"layers {first}-{last}"


@dataclass(frozen=True)
class MentionAttention:
    """An entity that was found (`role` is its type), or the head or tail of a pair; `looks` is None without attention on images."""

    role: str
    span: TextSpan
    words: Span
    looks: AttentionShares | None


@dataclass(frozen=True)
class Decision:
    """What was decided: the type of an entity (`mention` is its number), or the relation (None); `confidence` 0..1."""

    label: str
    confidence: float
    mention: int | None = None


@dataclass(frozen=True)
class CounterfactualEffect:
    """What a change does to one decision.

    `after` is the confidence in the label that was decided before (None: the head cannot tell), `becomes` what is decided there now: a
    label, or None for no entity of these words.
    """

    before: float
    after: float | None
    becomes: str | None
    flips: bool

    @property
    def drop(self) -> float | None:
        """Give how much confidence was lost; below 0: gained."""
        return None if self.after is None else self.before - self.after


@dataclass(frozen=True)
class CounterfactualResult:
    """The same text with other images: what it does to each decision, and which entities appear only then; `image` was removed."""

    kind: ChangeKind
    name: str
    image: int | None
    effects: tuple[CounterfactualEffect, ...]
    new_entities: tuple[TextEntity, ...] = ()


@dataclass(frozen=True)
class GateWeights:
    """Weights of levels: `weights` [V][N][C] sum to 1 over C; `level_name` is what one of the C is ("level", or the release's "slice")."""

    weights: tuple[tuple[tuple[float, ...], ...], ...]
    level_name: str

    def mean_levels(self, image: int) -> tuple[float, ...]:
        """Give each layer's mean level [N], counted from 1 (fine) to C (coarse)."""
        return tuple(sum(level * weight for level, weight in enumerate(row, 1)) for row in self.weights[image])


@dataclass(frozen=True)
class Explanation:
    """What a model said of one text with its images, where it looked, and what would have changed.

    `image` is the whole image, seen or not; `looks` [n] has one a word (None: not read, or attention does not reach images);
    `cells_are_places` says whether P cells are the `grid` x `grid` places of an image; `named` is what else a fusion traced, with its
    batch dimension gone.
    """

    id: str
    prediction: Prediction
    words: tuple[TextSpan, ...]
    images: tuple[ModelImage, ...]
    mentions: tuple[MentionAttention, ...]
    decisions: tuple[Decision, ...]
    changes: tuple[CounterfactualResult, ...]
    image: Path | None = None
    groups: tuple[LayerGroup, ...] = ()
    looks: tuple[AttentionShares | None, ...] = ()
    gates: GateWeights | None = None
    grid: int = 1
    cells_are_places: bool = True
    gold: tuple[str, ...] = ()
    named: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    caution: str = field(default_factory=lambda: Message("attention-caution"))

    def title(self, decision: Decision) -> str:
        """Name a decision: the entity and its type, or the relation."""
        return decision.label if decision.mention is None else f"{self.mentions[decision.mention].span.text}: {decision.label}"

    @property
    def layers(self) -> tuple[int, ...]:
        """Give all layers that were traced, counted from 0."""
        return tuple(layer for group in self.groups for layer in group.layers)


def missing_reasons(explained: Explanation) -> Iterator[Message]:
    """Say what cannot be shown of a text that has images, and why."""
    if explained.images and not explained.looks:
        yield Message("attention-without-images")
    if explained.images and explained.gates is None:
        yield Message("gates-missing")
    if explained.gates is not None and explained.gates.level_name == "slice":
        yield Message("slices-are-no-levels")
    if explained.looks and not explained.cells_are_places:
        yield Message("parts-are-no-places")


def layer_groups(layers: int) -> tuple[LayerGroup, ...]:
    """Cut layers 0..N-1 into lower, middle and upper ones, of like size; fewer layers make fewer groups."""
    count = min(len(GROUPS), layers)
    edges = [round(i * layers / count) for i in range(count + 1)] if count else []
    names = GROUPS if count == len(GROUPS) else ("lower", "upper") if count == 2 else ("all",)
    return tuple(LayerGroup(name, tuple(range(a, b))) for name, a, b in zip(names, edges, edges[1:], strict=False))


def mean(values: Sequence[float]) -> float:
    """Give the mean of one or more numbers."""
    return sum(values) / len(values)
