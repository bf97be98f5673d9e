"""Inference engine: encode examples in windows, run a reader on batches of similar length, return values by example.

Prediction, evaluation, wordpiece scores and explanations differ only in the reader.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Generic, Literal, Protocol, TypeVar

import torch

from hvpkit.batching import Batcher, EncodedExample
from hvpkit.config.recipe import Recipe
from hvpkit.errors import DataError, ImageError, InputError
from hvpkit.features.cache import FeatureCache
from hvpkit.inference.windows import Window, sliding_windows
from hvpkit.interfaces import Batch
from hvpkit.model.model import Model
from hvpkit.types import Example

EncodedWindow = tuple[Window, EncodedExample]
LongTexts = Literal["windows", "truncate"]
PREFETCH_BATCHES = 16  # batches that are read ahead, so that windows of similar length can be batched together
TYPICAL_NUM_WORDS = 64  # words per example for which PREFETCH_BATCHES holds; of longer examples, fewer are read ahead
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class BatchReader(Protocol[T_co]):
    """Function that runs a model on a batch and returns one value for each row."""

    def __call__(self, model: Model, batch: Batch) -> Sequence[T_co]:
        """Read one batch, which is on the device of the model; the model is in evaluation mode, without gradients."""


@dataclass(frozen=True)
class WindowedResult(Generic[T]):
    """Result of an example.

    Attributes:
        windows: Windows of the example, with what was encoded.
        values: Value of each window.
    """

    windows: tuple[EncodedWindow, ...]
    values: tuple[T, ...]


class InferenceEngine:
    """Run a model over examples in windows and batches, in order and in bounded memory.

    Args:
        model: Model.
        batcher: Batcher of the model. Without a feature cache, each run opens one (`caching_batcher`).
        batch_size: Number of windows in a batch.
        workers: Number of processes that decode images; None for one per core, 0 to start no process, as in a server
            that must not fork.
    """

    def __init__(self, model: Model, batcher: Batcher, *, batch_size: int = 32, workers: int | None = None) -> None:
        self.model, self.batcher, self.batch_size, self.workers = model, batcher, batch_size, workers

    def run(
        self, examples: Iterable[Example], read: BatchReader[T], *, long_texts: LongTexts = "windows"
    ) -> Iterator[WindowedResult[T] | InputError]:
        """Run a reader over a stream of examples.

        Args:
            examples: Examples; up to 16 batches of them are read ahead.
            read: Reader of a batch.
            long_texts: Whether long texts are encoded in overlapping windows or truncated to one window.

        Yields:
            The result of each example, or the error of an example that cannot be encoded.
        """
        return self.run_encoded((encode_windows(self.batcher, example, long_texts) for example in examples), read)

    def run_encoded(
        self, windows: Iterable[Sequence[EncodedWindow] | InputError], read: BatchReader[T]
    ) -> Iterator[WindowedResult[T] | InputError]:
        """Run a reader over a stream of encoded examples.

        Args:
            windows: Windows of each example, or its error, which is returned unchanged.
            read: Reader of a batch.

        Yields:
            The result of each example, or its error.
        """
        with caching_batcher(self.model, self.batcher) as batcher:
            for chunk in chunk_by_size(windows, PREFETCH_BATCHES * self.batch_size, _relative_length):
                yield from self._run_chunk(chunk, batcher, read)

    @torch.no_grad()
    def _run_chunk(
        self, chunk: Sequence[Sequence[EncodedWindow] | InputError], batcher: Batcher, read: BatchReader[T]
    ) -> list[WindowedResult[T] | InputError]:
        items = [item for windows in chunk if not isinstance(windows, InputError) for _, item in windows]
        with eval_mode(self.model):
            values = iter(self._run_items(items, batcher, read))
        return [
            windows if isinstance(windows, InputError) else _collect(windows, list(islice(values, len(windows))))
            for windows in chunk
        ]

    def _run_items(
        self, items: Sequence[EncodedExample], batcher: Batcher, read: BatchReader[T]
    ) -> list[T | ImageError]:
        """Return the value of each item, or the error of its images; items of similar length share a batch."""
        if batcher.features is not None:
            regions = (region for item in items for region in item.regions if region is not None)
            batcher.features.prefetch(regions, self.workers)
        by_length = sorted(range(len(items)), key=lambda index: items[index].text.length)
        values: dict[int, T | ImageError] = {}
        for start in range(0, len(items), self.batch_size):
            indices = by_length[start : start + self.batch_size]
            batch = [items[index] for index in indices]
            values.update(zip(indices, self._run_batch(batch, batcher, read), strict=True))
        return [values[index] for index in range(len(items))]

    def _run_batch(
        self, items: Sequence[EncodedExample], batcher: Batcher, read: BatchReader[T]
    ) -> list[T | ImageError]:
        errors = [batcher.features.error_for(item.regions) if batcher.features else None for item in items]
        readable = [item for item, error in zip(items, errors, strict=True) if error is None]
        if not readable:
            return [error for error in errors if error is not None]
        device = next(self.model.parameters()).device
        values = read(self.model, batcher.collate(readable).to(device))
        if len(values) != len(readable):
            raise ValueError(f"{read} returns {len(values)} values for {len(readable)} examples")
        remaining = iter(values)
        return [next(remaining) if error is None else error for error in errors]


def _relative_length(windows: Sequence[EncodedWindow] | InputError) -> float:
    """Return the number of encoded words, relative to `TYPICAL_NUM_WORDS`."""
    if isinstance(windows, InputError):
        return 0.0
    return sum(window.end - window.start for window, _ in windows) / TYPICAL_NUM_WORDS


def _collect(windows: Sequence[EncodedWindow], values: Sequence[T | ImageError]) -> WindowedResult[T] | ImageError:
    """Return the result of an example, or the first error of its windows."""
    for value in values:
        if isinstance(value, ImageError):
            return value
    return WindowedResult(tuple(windows), tuple(value for value in values if not isinstance(value, ImageError)))


@contextmanager
def eval_mode(model: Model) -> Iterator[None]:
    """Switch a model to evaluation mode inside the block."""
    if not model.training:  # visiting all modules would take a tenth of the time of a small model
        yield
        return
    model.eval()
    try:
        yield
    finally:
        model.train()


@contextmanager
def caching_batcher(model: Model, batcher: Batcher) -> Iterator[Batcher]:
    """Open a batcher with a feature cache, so that features of an image are computed once for all runs in the block.

    Args:
        model: Model.
        batcher: Batcher; used unchanged if it has a feature cache or the model uses no images.
    """
    if model.vision is None or batcher.features is not None:
        yield batcher
        return
    with FeatureCache(model.vision, pixels=batcher.pixels.get if batcher.pixels else None) as features:
        yield Batcher(model, batcher.recipe, features)


def chunk_by_size(items: Iterable[T], max_size: int, size: Callable[[T], float]) -> Iterator[list[T]]:
    """Group a stream into lists of limited total size.

    Args:
        items: Items.
        max_size: Total size at which a list ends.
        size: Returns the size of an item; sizes below 1 count as 1.
    """
    chunk: list[T] = []
    total = 0.0
    for item in items:
        chunk.append(item)
        total += max(1.0, size(item))
        if total >= max_size:
            yield chunk
            chunk, total = [], 0.0
    if chunk:
        yield chunk


def encode_windows(
    batcher: Batcher, example: Example, long_texts: LongTexts = "windows"
) -> list[EncodedWindow] | InputError:
    """Encode an example in windows; in MRE, one window that contains head and tail.

    Args:
        batcher: Batcher of the model.
        example: Example.
        long_texts: Whether a long text is encoded in overlapping windows or truncated to one window (MNER).

    Returns:
        The encoded windows, or the error of an example that cannot be encoded.
    """
    try:
        if batcher.recipe.task == "mre" or long_texts == "truncate":
            item = batcher.encode(example, labeled=False)
            first = item.text.first_word
            return [(Window(first, first + len(item.text.word_starts)), item)]
        return sliding_windows(
            example,
            encode=lambda words: batcher.encode(words, labeled=False),
            count_words=lambda item: len(item.text.word_starts),
            max_words=batcher.recipe.data.max_length,
        )
    except (DataError, ImageError) as error:
        return error


def count_with_image(recipe: Recipe, examples: Sequence[Example]) -> int:
    """Count the examples with an image; 0 for a recipe without vision."""
    return sum(example.image is not None for example in examples) if recipe.vision is not None else 0
