"""Data classes of an explanation of one text with its images.

Letters: n words, V images (the full image first, if used), N text layers, C levels, P cells of an image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from hvpkit.inference.predictions import Prediction
from hvpkit.messages import Message
from hvpkit.types import Box, ImageSource, Span, TextEntity, TextSpan

CounterfactualKind = Literal["no images", "no object", "no full image", "other image"]
ImageKind = Literal["full image", "object", "blank"]
LAYER_GROUP_NAMES = ("lower", "middle", "upper")
ALL = "all layers"


@dataclass(frozen=True)
class ModelImage:
    """One of the V images that the model used.

    Attributes:
        name: Name such as "full image" or "object 1".
        kind: "full image", "object", or "blank" for zeros in place of a missing image (release of Chen et al. 2022).
        file: Image that was decoded; None for a blank image.
        box: Box of the image that was used, in pixels; None: all of it.
        normalized_box: Left, top, right, bottom in the full image, 0..1; None if not known.
        phrase: Phrase that the detector searched for.
        score: Score of the detector, 0..1.
    """

    name: str
    kind: ImageKind
    file: ImageSource | None = None
    box: Box | None = None
    normalized_box: tuple[float, float, float, float] | None = None
    phrase: str | None = None
    score: float | None = None

    @property
    def title(self) -> str:
        """Name and phrase."""
        return f"{self.name} ({self.phrase})" if self.phrase else self.name


@dataclass(frozen=True)
class AttentionShares:
    """Attention of some words, mean over heads and over their positions; weights of a layer sum to 1.

    Attributes:
        cells: Attention on the cells of the images [N][V][P].
        text: Attention on the text [N].
    """

    cells: tuple[tuple[tuple[float, ...], ...], ...]
    text: tuple[float, ...]

    def by_image(self, layers: Sequence[int]) -> tuple[float, ...]:
        """Return the attention on each image [V], mean over layers."""
        return tuple(mean([sum(self.cells[layer][v]) for layer in layers]) for v in range(len(self.cells[0])))

    def by_cell(self, layers: Sequence[int]) -> tuple[tuple[float, ...], ...]:
        """Return the attention on each cell [V][P], mean over layers."""
        return tuple(
            tuple(mean([self.cells[layer][v][p] for layer in layers]) for p in range(len(self.cells[0][v])))
            for v in range(len(self.cells[0]))
        )

    def on_text(self, layers: Sequence[int]) -> float:
        """Return the attention on the text, mean over layers."""
        return mean([self.text[layer] for layer in layers])


@dataclass(frozen=True)
class LayerGroup:
    """Adjacent layers that are averaged.

    Attributes:
        name: "lower", "middle", "upper" or "all".
        layers: Indices of the layers, from 0.
    """

    name: str
    layers: tuple[int, ...]

    @property
    def title(self) -> str:
        """Numbers of the layers, from 1."""
        first, last = self.layers[0] + 1, self.layers[-1] + 1
        return f"layer {first}" if first == last else f"layers {first}-{last}"


@dataclass(frozen=True)
class MentionAttention:
    """Attention of a predicted entity, or of the head or tail entity of a pair.

    Attributes:
        role: Type of the entity, "head" or "tail".
        span: Span of the text.
        words: The same span in words.
        attention: Attention of its words; None without attention on images.
    """

    role: str
    span: TextSpan
    words: Span
    attention: AttentionShares | None


@dataclass(frozen=True)
class Decision:
    """Type of a predicted entity, or the predicted relation.

    Attributes:
        label: Type or relation.
        confidence: Confidence, 0..1.
        mention: Index of the entity in `Explanation.mentions`; None for a relation.
    """

    label: str
    confidence: float
    mention: int | None = None


@dataclass(frozen=True)
class CounterfactualEffect:
    """Effect of a counterfactual on one decision.

    Attributes:
        before: Confidence in the original label with the original images, 0..1.
        after: Confidence in the original label with the other images, 0..1; None if the head does not compute it.
        becomes: Label with the other images; None if no entity is predicted for these words.
        flips: Whether the label changes.
    """

    before: float
    after: float | None
    becomes: str | None
    flips: bool

    @property
    def drop(self) -> float | None:
        """Decrease of the confidence, negative for an increase; None if not known."""
        return None if self.after is None else self.before - self.after


@dataclass(frozen=True)
class CounterfactualResult:
    """Prediction for the same text with other images, compared with the original one.

    Attributes:
        kind: Kind of the counterfactual.
        name: Its description.
        image: Index of the removed image in `Explanation.images`; None if no image or several images were removed.
        effects: Effect on each decision.
        new_entities: Entities that are predicted only with the other images.
    """

    kind: CounterfactualKind
    name: str
    image: int | None
    effects: tuple[CounterfactualEffect, ...]
    new_entities: tuple[TextEntity, ...] = ()


@dataclass(frozen=True)
class GateWeights:
    """Gate weights of the levels.

    Attributes:
        weights: Weights [V][N][C], which sum to 1 over C.
        level_name: Name of what the weights are for: "level", or "slice" in models of the release.
    """

    weights: tuple[tuple[tuple[float, ...], ...], ...]
    level_name: str

    def mean_levels(self, image: int) -> tuple[float, ...]:
        """Return the mean level of each layer [N], from 1 (fine) to C (coarse)."""
        return tuple(sum(level * weight for level, weight in enumerate(row, 1)) for row in self.weights[image])


@dataclass(frozen=True)
class Explanation:
    """Explanation of the prediction for one text with its images.

    Attributes:
        id: Id of the example.
        prediction: The prediction, as `predict` returns it.
        words: Words of the text.
        images: Images that the model used.
        mentions: Attention of the entities, or of head and tail.
        decisions: Predicted types, or the predicted relation.
        counterfactuals: Results of the counterfactuals.
        image: The full image, used by the model or not.
        groups: Groups of adjacent layers.
        attention: Attention of each word [n], None for a word that was not read; empty if attention does not reach
            images.
        gates: Gate weights; None without gates.
        grid: Side of the grid of cells of an image.
        cells_are_spatial: Whether the P cells are the `grid` x `grid` cells of an image.
        gold: Gold labels as texts; empty if not known.
        extra_tensors: Values of further tensors that the fusion traced, by name, without batch dimension.
        notes: Notes of the prediction.
        caution: Message on how to read attention.
    """

    id: str
    prediction: Prediction
    words: tuple[TextSpan, ...]
    images: tuple[ModelImage, ...]
    mentions: tuple[MentionAttention, ...]
    decisions: tuple[Decision, ...]
    counterfactuals: tuple[CounterfactualResult, ...]
    image: ImageSource | None = None
    groups: tuple[LayerGroup, ...] = ()
    attention: tuple[AttentionShares | None, ...] = ()
    gates: GateWeights | None = None
    grid: int = 1
    cells_are_spatial: bool = True
    gold: tuple[str, ...] = ()
    extra_tensors: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    caution: str = field(default_factory=lambda: Message("attention-caution"))

    def title(self, decision: Decision) -> str:
        """Return the text of a decision: the entity and its type, or the relation."""
        if decision.mention is None:
            return decision.label
        return f"{self.mentions[decision.mention].span.text}: {decision.label}"

    @property
    def layers(self) -> tuple[int, ...]:
        """Indices of all traced layers, from 0."""
        return tuple(layer for group in self.groups for layer in group.layers)


def missing_reasons(explained: Explanation) -> Iterator[Message]:
    """Yield a message for each kind of explanation that a model with images cannot provide, with the reason."""
    if explained.images and not explained.attention:
        yield Message("attention-without-images")
    if explained.images and explained.gates is None:
        yield Message("gates-missing")
    if explained.gates is not None and explained.gates.level_name == "slice":
        yield Message("slices-not-levels")
    if explained.attention and not explained.cells_are_spatial:
        yield Message("channel-groups-not-regions")


def layer_groups(layers: int) -> tuple[LayerGroup, ...]:
    """Split layers into lower, middle and upper ones of similar size; fewer than three layers give fewer groups.

    Args:
        layers: N, the number of layers.
    """
    count = min(len(LAYER_GROUP_NAMES), layers)
    edges = [round(i * layers / count) for i in range(count + 1)] if count else []
    names = {2: ("lower", "upper"), 3: LAYER_GROUP_NAMES}.get(count, ("all",))
    return tuple(LayerGroup(name, tuple(range(a, b))) for name, a, b in zip(names, edges, edges[1:], strict=False))


def mean(values: Sequence[float]) -> float:
    """Return the mean of one or more numbers."""
    return sum(values) / len(values)
