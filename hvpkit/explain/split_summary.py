"""Summarize attention and gates over a split: means by entity type or relation, and rank correlation with depth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hvpkit.errors import InputError
from hvpkit.explain.attention import AttentionByWord
from hvpkit.explain.explain_example import model_images
from hvpkit.explain.explanation import AttentionShares, LayerGroup, layer_groups
from hvpkit.explain.trace import TracedResult, trace_batch
from hvpkit.inference.engine import InferenceEngine
from hvpkit.inference.predictor import Predictor
from hvpkit.labels.gold import gold_labels
from hvpkit.types import Example
from hvpkit.utils.bootstrap import (
    CONFIDENCE,
    NUM_RESAMPLES,
    Array,
    Bootstrap,
    paired_bootstrap,
    rank_correlation_with_position,
)
from hvpkit.utils.progress import track

BATCH_SIZE = 16


@dataclass(frozen=True)
class MeanWithInterval:
    """An estimate with its confidence interval.

    Attributes:
        value: The estimate.
        low: Lower bound of the interval.
        high: Upper bound of the interval.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation of the depth of text layers with their mean level, with bootstrap intervals.

    A positive correlation means that deeper layers use coarser levels.

    Attributes:
        of_means: Correlation for the mean levels over all examples; None if all layers have the same mean level.
        within: Mean of the correlations of single examples; None if one of them is undefined.
        resamples: Number of bootstrap resamples of examples.
        coverage: Coverage of the intervals, 0..1.
    """

    of_means: MeanWithInterval | None
    within: MeanWithInterval | None
    resamples: int
    coverage: float = CONFIDENCE


@dataclass(frozen=True)
class GroupMeans:
    """Means over the gold entities of a type, or the pairs of a relation, in examples with images.

    Attributes:
        name: Type or relation, or "all".
        count: Number of entities or pairs.
        levels: Gate weights [C], mean over layers and images; None without gates.
        mean_levels: Mean level of each layer group, from 1 (fine) to C (coarse); None without gates.
        full_image: Attention on the full image, mean over layers, 0..1; None without attention on images.
        objects: Attention on all objects together.
        text: Attention on the text; sums to 1 with `full_image` and `objects`.
    """

    name: str
    count: int
    levels: tuple[float, ...] | None
    mean_levels: tuple[float, ...] | None
    full_image: float | None
    objects: float | None
    text: float | None


@dataclass(frozen=True)
class SplitSummary:
    """Summary of a split.

    Attributes:
        where: Name of the split and its data.
        examples: Number of examples.
        with_images: Number of examples with images.
        unread: Number of examples that could not be read.
        first_error: Message of the first example that could not be read.
        level_name: What gate weights belong to: "level" or "slice".
        layer_groups: Groups of adjacent layers.
        layer_levels: Mean gate weights of each layer [N][C]; None without gates.
        layer_images: Mean attention of each layer on images [N], 0..1; None without attention on images.
        groups: Means over all gold labels, and by type or relation.
        correlation: Rank correlation of depth and level; None without gates.
    """

    where: str
    examples: int
    with_images: int
    unread: int
    first_error: str | None
    level_name: str
    layer_groups: tuple[LayerGroup, ...]
    layer_levels: tuple[tuple[float, ...], ...] | None
    layer_images: tuple[float, ...] | None
    groups: tuple[GroupMeans, ...]
    correlation: Correlation | None


@dataclass(frozen=True)
class _Row:
    """One example with images: gates [N, C], mean over its images; label and attention [N, 3] of each gold label."""

    gates: Array | None
    attention: tuple[tuple[str, Array | None], ...]
    level_name: str


def summarize(predictor: Predictor, examples: Sequence[Example], where: str, seed: int = 0) -> SplitSummary:
    """Summarize labeled examples; those that cannot be read are counted and skipped.

    Args:
        predictor: The loaded model.
        examples: Labeled examples.
        where: Name of the split and its data.
        seed: Seed of the bootstrap.
    """
    rows: list[_Row] = []
    errors: list[str] = []
    for row in track(_rows(predictor, examples), "examples", len(examples)):
        if isinstance(row, InputError):
            errors.append(row.message)
        elif row is not None:
            rows.append(row)
    gates = [row.gates for row in rows if row.gates is not None]
    attention = [weights for row in rows for _, weights in row.attention if weights is not None]
    layers = layer_groups(len(next(iter(gates or attention), ())))
    return SplitSummary(
        where=where,
        examples=len(examples),
        with_images=len(rows),
        unread=len(errors),
        first_error=errors[0] if errors else None,
        level_name=rows[0].level_name if rows else "level",
        layer_groups=layers,
        layer_levels=tuple(map(_floats, np.mean(gates, 0))) if gates else None,
        layer_images=_floats(np.mean(attention, 0)[:, :2].sum(-1)) if attention else None,
        groups=tuple(_groups(rows, layers)),
        correlation=depth_and_level(np.stack([mean_levels(gate) for gate in gates]), seed) if gates else None,
    )


def _rows(predictor: Predictor, examples: Sequence[Example]) -> Iterator[_Row | InputError | None]:
    """Yield the row of each example in order, None for one without images."""
    engine = InferenceEngine(predictor.model, predictor.batcher, batch_size=BATCH_SIZE)
    for example, result in zip(examples, engine.run(examples, trace_batch), strict=True):
        yield result if isinstance(result, InputError) else _row(predictor, example, result)


def _row(predictor: Predictor, example: Example, result: TracedResult) -> _Row | None:
    images = model_images(example, result.windows[0][1].regions, predictor.batcher)
    present = [v for v, image in enumerate(images) if image is not None]
    if not present:
        return None
    is_full_image = [image.kind == "full image" for image in images if image is not None]
    by_word, gates = AttentionByWord(result, len(images), present), result.values[0].gates
    attention = (
        (label, [by_word.for_words(span.start, span.end) for span in spans]) for spans, label in gold_labels(example)
    )
    return _Row(
        gates=None if gates is None else gates[present].mean(0).double().numpy(),
        attention=tuple((label, _mean_attention(mentions, is_full_image)) for label, mentions in attention),
        level_name=result.values[0].level_name,
    )


def _mean_attention(mentions: Iterable[AttentionShares | None], is_full_image: Sequence[bool]) -> Array | None:
    """Compute the attention [N, 3] on the full image, the objects and the text, mean over mentions that have it."""
    known = [attention for attention in mentions if attention is not None]
    if not known:
        return None
    cells = np.array([attention.cells for attention in known]).sum(-1)  # [mentions, N, V]
    text, full = np.array([attention.text for attention in known]), np.array(is_full_image)
    mean: Array = np.stack([cells[..., full].sum(-1), cells[..., ~full].sum(-1), text], -1).mean(0)
    return mean


def mean_levels(gates: Array) -> Array:
    """Compute the mean level of each layer [N], 1 to C, from gate weights [N, C]."""
    means: Array = gates @ np.arange(1, gates.shape[1] + 1)
    return means


def _groups(rows: Sequence[_Row], layers: Sequence[LayerGroup]) -> Iterator[GroupMeans]:
    labels = sorted({label for row in rows for label, _ in row.attention})
    for name, group_labels in (("all", set(labels)), *((label, {label}) for label in labels)):
        group = [(row.gates, weights) for row in rows for label, weights in row.attention if label in group_labels]
        if group:
            gates = [gate for gate, _ in group if gate is not None]
            attention = [weights for _, weights in group if weights is not None]
            yield _means(name, gates, attention, len(group), layers)


def _means(
    name: str, gates: Sequence[Array], attention: Sequence[Array], count: int, layers: Sequence[LayerGroup]
) -> GroupMeans:
    weights = np.mean(gates, 0) if gates else None
    depth = None if weights is None else mean_levels(weights)
    full_image, objects, text = _floats(np.mean(attention, (0, 1))) if attention else (None, None, None)
    return GroupMeans(
        name=name,
        count=count,
        levels=None if weights is None else _floats(weights.mean(0)),
        mean_levels=None if depth is None else tuple(float(depth[list(group.layers)].mean()) for group in layers),
        full_image=full_image,
        objects=objects,
        text=text,
    )


def depth_and_level(levels: Array, seed: int = 0, resamples: int = NUM_RESAMPLES) -> Correlation:
    """Correlate the depth of layers with their mean level.

    Args:
        levels: Mean levels [examples, N].
        seed: Seed of the bootstrap over examples.
        resamples: Number of resamples.

    Source: own; quantifies the reading of Chen et al. 2022, Figure 4.
    """
    correlations = rank_correlation_with_position(levels)
    of_means = paired_bootstrap(levels, rank_correlation_with_position, seed=seed, resamples=resamples)
    within = paired_bootstrap(correlations[:, None], lambda means: means[:, 0], seed=seed, resamples=resamples)
    value = float(rank_correlation_with_position(levels.mean(0)[None])[0])
    return Correlation(_estimate(value, of_means), _estimate(float(correlations.mean()), within), resamples)


def _estimate(value: float, bootstrap: Bootstrap) -> MeanWithInterval | None:
    low, high = bootstrap.low, bootstrap.high
    return None if np.isnan([value, low, high]).any() else MeanWithInterval(value, low, high)


def _floats(values: Array) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
