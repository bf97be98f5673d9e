"""Inference engine: predict examples in windows and batches, for evaluation, `hvp predict` and the Python API."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch

from hvpkit.batching import Batcher, EncodedExample
from hvpkit.config.recipe import Recipe
from hvpkit.errors import DataError, ImageError, InputError
from hvpkit.features.cache import FeatureCache
from hvpkit.inference.windows import Window, merge_predictions, sliding_windows
from hvpkit.interfaces import Batch
from hvpkit.model.model import Model
from hvpkit.types import Entity, Example, Relation

Decoded = list[Entity] | Relation
EncodedWindow = tuple[Window, EncodedExample]
PREFETCH_BATCHES = 16  # batches that are read ahead, so that examples of similar length can be batched together
TYPICAL_NUM_WORDS = 64  # words per example for which PREFETCH_BATCHES holds; of longer examples, fewer are read ahead
T = TypeVar("T")
Result = TypeVar("Result")


@dataclass(frozen=True)
class WindowedPrediction:
    """Prediction of an example.

    Attributes:
        decoded: Entities over the words of the example, or its relation.
        windows: Words of each window that was encoded.
        image: Whether an image or a crop of the example was used.
    """

    decoded: Decoded
    windows: tuple[Window, ...]
    image: bool


def predict_stream(
    model: Model, batcher: Batcher, examples: Iterable[Example], batch_size: int = 32
) -> Iterator[Decoded | InputError]:
    """Predict a stream of examples in order.

    Args:
        model: Model.
        batcher: Batcher of the model.
        examples: Examples; long texts are encoded in windows.
        batch_size: Number of windows in a batch.

    Yields:
        Entities over the words of the example (MNER), its relation (MRE), or the error of an example that cannot be
        encoded.
    """
    for result in predict_windows(model, batcher, examples, batch_size):
        yield result.decoded if isinstance(result, WindowedPrediction) else result


@torch.no_grad()
def predict_windows(
    model: Model, batcher: Batcher, examples: Iterable[Example], batch_size: int = 32
) -> Iterator[WindowedPrediction | InputError]:
    """Predict a stream of examples as `predict_stream` does, with the windows that were encoded."""
    was_training = model.training
    model.eval()
    try:
        with caching_batcher(model, batcher) as batcher:
            for chunk in chunk_by_size(
                examples, PREFETCH_BATCHES * batch_size, lambda example: len(example.words) / TYPICAL_NUM_WORDS
            ):
                yield from _predict_chunk(model, batcher, chunk, batch_size)
    finally:
        model.train(was_training)


@contextmanager
def caching_batcher(model: Model, batcher: Batcher) -> Iterator[Batcher]:
    """Open a batcher with a feature cache, so that worker processes decode images and features are computed once.

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


def _predict_chunk(
    model: Model, batcher: Batcher, chunk: Sequence[Example], batch_size: int
) -> list[WindowedPrediction | InputError]:
    encoded = [encode_windows(batcher, example) for example in chunk]
    results = run_windows(model, batcher, encoded, batch_size, decode_batch)
    return [_merge(windows, decoded) for windows, decoded in zip(encoded, results, strict=True)]


def run_windows(
    model: Model,
    batcher: Batcher,
    encoded: Sequence[list[EncodedWindow] | InputError],
    batch_size: int,
    process: Callable[[Model, Batch], Sequence[Result]],
) -> list[list[Result] | InputError]:
    """Run a model over the windows of examples in batches of similar length.

    Args:
        model: Model in evaluation mode.
        batcher: Batcher of the model.
        encoded: Windows of each example, or its error, which is returned unchanged.
        batch_size: Number of windows in a batch.
        process: Runs the model on a batch and returns the result of each window.

    Returns:
        The results of the windows of each example, or its error.
    """
    queue = [(row, i) for row, windows in enumerate(encoded) if isinstance(windows, list) for i in range(len(windows))]
    queue.sort(key=lambda index: _length(encoded[index[0]], index[1]))
    results: dict[tuple[int, int], Result | InputError] = {}
    with caching_batcher(model, batcher) as batcher:
        prefetch_features(batcher, [item for windows in encoded if isinstance(windows, list) for _, item in windows])
        for start in range(0, len(queue), batch_size):
            indices = queue[start : start + batch_size]
            items = [encoded[row][i][1] for row, i in indices]  # type: ignore[index]
            results.update(zip(indices, run_batch(model, batcher, items, process), strict=True))
    return [
        windows if isinstance(windows, InputError) else _results_of_example(results, row, len(windows))
        for row, windows in enumerate(encoded)
    ]


def _results_of_example(
    results: dict[tuple[int, int], Result | InputError], row: int, num_windows: int
) -> list[Result] | InputError:
    """Return the results of all windows of an example, or the first error."""
    window_results = [results[row, i] for i in range(num_windows)]
    error = next((result for result in window_results if isinstance(result, InputError)), None)
    return [result for result in window_results if not isinstance(result, InputError)] if error is None else error


def encode_windows(batcher: Batcher, example: Example) -> list[EncodedWindow] | InputError:
    """Encode an example in windows; in MRE, one window that contains head and tail.

    Args:
        batcher: Batcher of the model.
        example: Example.

    Returns:
        The encoded windows, or the error of an example that cannot be encoded.
    """
    try:
        if batcher.recipe.task == "mre":
            item = batcher.encode(example, labeled=False)
            first = item.text.first_word
            return [(Window(first, first + len(item.text.word_starts)), item)]
        max_words = batcher.recipe.data.max_length
        return sliding_windows(
            example,
            encode=lambda words: batcher.encode(words, labeled=False),
            count_words=lambda item: len(item.text.word_starts),
            max_words=max_words,
        )
    except (DataError, ImageError) as error:
        return error


def _length(windows: list[EncodedWindow] | InputError, index: int) -> int:
    return 0 if isinstance(windows, InputError) else windows[index][1].text.length


def prefetch_features(batcher: Batcher, items: Iterable[EncodedExample]) -> None:
    """Prefetch the image features of encoded examples; `run_batch` returns their errors.

    Args:
        batcher: Batcher with a feature cache, or one of a model without images.
        items: Encoded examples.
    """
    if batcher.features is not None:
        batcher.features.prefetch(region for item in items for region in item.regions if region is not None)


def run_batch(
    model: Model, batcher: Batcher, items: Sequence[EncodedExample], process: Callable[[Model, Batch], Sequence[Result]]
) -> Sequence[Result | ImageError]:
    """Run a model over one batch whose image features were prefetched by `prefetch_features`.

    Args:
        model: Model in evaluation mode.
        batcher: Batcher of the model.
        items: Encoded examples.
        process: Runs the model on a batch and returns the result of each example.

    Returns:
        The result of each example, or the error of its images.

    Raises:
        ValueError: The head returns a wrong number of results, or entities outside the text.
    """
    errors = [batcher.features.error_for(item.regions) if batcher.features else None for item in items]
    readable = [item for item, error in zip(items, errors, strict=True) if error is None]
    results = process(model, batcher.collate(readable)) if readable else ()
    head = type(model.head).__name__
    if len(results) != len(readable):
        raise ValueError(f"the head {head} returns {len(results)} predictions for {len(readable)} examples")
    for item, result in zip(readable, results, strict=True):
        words = len(item.text.word_starts)
        if isinstance(result, list) and any(not 0 <= entity.start < entity.end <= words for entity in result):
            raise ValueError(f"the head {head} returns entities outside of a text of {words} words: {result}")
    remaining = iter(results)
    return [next(remaining) if error is None else error for error in errors]


def decode_batch(model: Model, batch: Batch) -> Sequence[Decoded]:
    """Run the model and decode its head for one batch, on the device of the model.

    The forward method of the class is called, because bf16 training wraps the method of the instance: dev scores must
    equal the scores of `hvp eval`.
    """
    device = next(model.parameters()).device
    batch = batch.to(device)
    return model.head.decode(type(model).forward(model, batch).scores, batch.text)


def _merge(
    windows: list[EncodedWindow] | InputError, decoded: list[Decoded] | InputError
) -> WindowedPrediction | InputError:
    if isinstance(windows, InputError):
        return windows
    return decoded if isinstance(decoded, InputError) else merge_windows(windows, decoded)


def merge_windows(windows: Sequence[EncodedWindow], decoded: Sequence[Decoded]) -> WindowedPrediction:
    """Merge the predictions for the windows of one example.

    Args:
        windows: Encoded windows.
        decoded: Prediction for each window.
    """
    words = tuple(window for window, _ in windows)
    image = any(region is not None for _, item in windows for region in item.regions)
    if isinstance(decoded[0], Relation):
        return WindowedPrediction(decoded[0], words, image)
    pairs = zip(words, decoded, strict=True)
    entities = merge_predictions([(window, result) for window, result in pairs if isinstance(result, list)])
    return WindowedPrediction(entities, words, image)


def count_with_image(recipe: Recipe, examples: Sequence[Example]) -> int:
    """Count the examples with an image; 0 for a recipe without vision."""
    return sum(example.image is not None for example in examples) if recipe.vision is not None else 0
