"""What the images did over a whole split: means by entity type or relation, and the paper's reading of the gates as a number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata

from hvpkit.errors import InputError
from hvpkit.explain.attention import AttentionByWord
from hvpkit.explain.explain import model_images
from hvpkit.explain.explanation import AttentionShares, LayerGroup, layer_groups
from hvpkit.explain.trace import TracedWindow, trace_batch
from hvpkit.inference.engine import READ_AHEAD, Part, chunk_by_size, look, read_windows
from hvpkit.inference.predictor import Predictor
from hvpkit.labels.gold import gold_labels
from hvpkit.types import Example
from hvpkit.utils.progress import track

BATCH = 16
RESAMPLES = 2000
COVERAGE = 0.95

Array = NDArray[np.float64]


@dataclass(frozen=True)
class MeanWithInterval:
    """A number and the bounds of its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation of a text layer's depth and its mean level, with bootstrap intervals over examples.

    Above 0 deeper layers take coarser levels. `of_means` is that of the layers' means over examples, `within` the mean of each example's
    own; None where every layer has the same mean level.
    """

    of_means: MeanWithInterval | None
    within: MeanWithInterval | None
    resamples: int
    coverage: float = COVERAGE


@dataclass(frozen=True)
class GroupMeans:
    """Means over the gold entities of a type, or the pairs of a relation, that have images.

    `levels` [C] are weights over layers and images, `mean_levels` one a layer group (1: fine, C: coarse); `whole`, `objects` (all of them
    together) and `text` are shares of attention over layers, which add up to 1. None: the model has no such thing.
    """

    name: str
    count: int
    levels: tuple[float, ...] | None
    mean_levels: tuple[float, ...] | None
    whole: float | None
    objects: float | None
    text: float | None


@dataclass(frozen=True)
class SplitSummary:
    """A split summed up: of so many examples so many have images, so many could not be read.

    `layer_levels` [N][C] and `layer_images` [N]: the mean weights of levels, and the mean share of attention on images, of each layer.
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
    """One example with images: gates [N, C], mean over its images; and for each gold answer its label and shares [N, 3]."""

    gates: Array | None
    answers: tuple[tuple[str, Array | None], ...]
    level_name: str


@torch.no_grad()
def summarize(predictor: Predictor, examples: Sequence[Example], where: str, seed: int = 0) -> SplitSummary:
    """Sum up labelled examples; one that cannot be read is counted and left out."""
    rows: list[_Row] = []
    errors: list[str] = []
    for found in track(_rows(predictor, examples), "examples", len(examples)):
        if isinstance(found, InputError):
            errors.append(found.message)
        elif found is not None:
            rows.append(found)
    gates = [row.gates for row in rows if row.gates is not None]
    shares = [share for row in rows for _, share in row.answers if share is not None]
    layers = layer_groups(len(gates[0]) if gates else len(shares[0]) if shares else 0)
    return SplitSummary(
        where=where,
        examples=len(examples),
        with_images=len(rows),
        unread=len(errors),
        first_error=errors[0] if errors else None,
        level_name=rows[0].level_name if rows else "level",
        layer_groups=layers,
        layer_levels=tuple(map(_floats, np.mean(gates, 0))) if gates else None,
        layer_images=_floats(np.mean(shares, 0)[:, :2].sum(-1)) if shares else None,
        groups=tuple(_groups(rows, layers)),
        correlation=depth_and_level(np.stack([mean_levels(gate) for gate in gates]), seed) if gates else None,
    )


# ------------------------------------------------------------------------------------------------------------ one by one
def _rows(predictor: Predictor, examples: Sequence[Example]) -> Iterator[_Row | InputError | None]:
    """Give each example's row, None for one without images, in order."""
    model, batcher = predictor.model, predictor.batcher
    for chunk in chunk_by_size(examples, READ_AHEAD * BATCH, lambda example: len(example.words) / 64):
        pieces = [read_windows(batcher, example) for example in chunk]
        for example, parts, passes in zip(chunk, pieces, look(model, batcher, pieces, BATCH, trace_batch), strict=True):
            if isinstance(parts, InputError) or isinstance(passes, InputError):
                yield parts if isinstance(parts, InputError) else passes  # type: ignore[misc]
            else:
                yield _row(predictor, example, parts, passes)


def _row(predictor: Predictor, example: Example, parts: Sequence[Part], passes: Sequence[TracedWindow]) -> _Row | None:
    images = model_images(example, parts[0][1].views, predictor.batcher)
    shown = [v for v, image in enumerate(images) if image is not None]
    if not shown:
        return None
    whole = [image.kind == "whole" for image in images if image is not None]
    looking = AttentionByWord([window for window, _ in parts], passes, len(images), shown)
    gates = passes[0].gates
    return _Row(
        gates=None if gates is None else gates[shown].mean(0).double().numpy(),
        answers=tuple(
            (label, _shares([looks for span in spans if (looks := looking.for_words(span.start, span.end))], whole))
            for spans, label in gold_labels(example)
        ),
        level_name=passes[0].level_name,
    )


def _shares(looks: Sequence[AttentionShares], whole: Sequence[bool]) -> Array | None:
    """Give the shares [N, 3] on the whole image, the objects and the text, mean over mentions."""
    if not looks:
        return None
    cells = np.array([each.cells for each in looks]).sum(-1)  # [mentions, N, V]
    text = np.array([each.text for each in looks])
    is_whole = np.array(whole)
    shares: Array = np.stack([cells[..., is_whole].sum(-1), cells[..., ~is_whole].sum(-1), text], -1).mean(0)
    return shares


def mean_levels(gates: Array) -> Array:
    """Give each layer's mean level [N], 1 to C, of weights [N, C]."""
    found: Array = gates @ np.arange(1, gates.shape[1] + 1)
    return found


# ------------------------------------------------------------------------------------------------------------- together
def _groups(rows: Sequence[_Row], layers: Sequence[LayerGroup]) -> Iterator[GroupMeans]:
    labels = sorted({label for row in rows for label, _ in row.answers})
    for name, wanted in (("all", set(labels)), *((label, {label}) for label in labels)):
        found = [(row.gates, share) for row in rows for label, share in row.answers if label in wanted]
        if found:
            yield _means(name, [gate for gate, _ in found if gate is not None], [s for _, s in found if s is not None], len(found), layers)


def _means(name: str, gates: Sequence[Array], shares: Sequence[Array], count: int, layers: Sequence[LayerGroup]) -> GroupMeans:
    weights = np.mean(gates, 0) if gates else None
    depth = None if weights is None else mean_levels(weights)
    whole, objects, text = _floats(np.mean(shares, (0, 1))) if shares else (None, None, None)
    return GroupMeans(
        name=name,
        count=count,
        levels=None if weights is None else _floats(weights.mean(0)),
        mean_levels=None if depth is None else tuple(float(depth[list(group.layers)].mean()) for group in layers),
        whole=whole,
        objects=objects,
        text=text,
    )


def depth_and_level(levels: Array, seed: int = 0, resamples: int = RESAMPLES) -> Correlation:
    """Correlate layer depth with the mean level of each layer, from mean levels [examples, N]; examples are resampled for intervals."""
    examples = len(levels)
    drawn = np.random.default_rng(seed).multinomial(examples, [1 / examples] * examples, size=resamples) / examples
    own = spearman(levels)
    of_means = _estimate(float(spearman(levels.mean(0)[None])[0]), spearman(drawn @ levels))
    return Correlation(of_means, _estimate(float(own.mean()), drawn @ own), resamples)


def _estimate(value: float, resampled: Array) -> MeanWithInterval | None:
    low, high = np.quantile(resampled, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2]).tolist()
    return None if np.isnan([value, low, high]).any() else MeanWithInterval(value, low, high)


def spearman(levels: Array) -> Array:
    """Give the rank correlation of each row [N] with 1..N, ties at their mean rank; nan where a row says one thing throughout."""
    ranks = rankdata(np.round(levels, 9), axis=-1)
    ranks = ranks - ranks.mean(-1, keepdims=True)
    depth = np.arange(levels.shape[-1]) - (levels.shape[-1] - 1) / 2
    scale = np.sqrt((ranks**2).sum(-1) * (depth**2).sum())
    found: Array = np.divide(ranks @ depth, scale, out=np.full(len(levels), np.nan), where=scale > 0)
    return found


def _floats(values: Array) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
