"""From examples to predictions: the one path that evaluation, `predict` and Python users share (it knows no command line)."""

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
Part = tuple[Window, EncodedExample]  # a window of an example, encoded
READ_AHEAD = 16  # batches sorted by length together
WORDS = 64  # an example on average, at most, before fewer are read ahead
Thing = TypeVar("Thing")
Found = TypeVar("Found")


@dataclass(frozen=True)
class WindowedPrediction:
    """What was found in an example, the windows of words that were read, and whether any image of it was seen."""

    found: Decoded
    windows: tuple[Window, ...]
    image: bool


def predict_stream(model: Model, batcher: Batcher, examples: Iterable[Example], batch_size: int = 32) -> Iterator[Decoded | InputError]:
    """Predict each example, in order, streaming; one that cannot be read gives its error instead.

    MNER gives entities over the example's words, long texts read in windows; MRE gives the relation.
    """
    for given in predict_windows(model, batcher, examples, batch_size):
        yield given.found if isinstance(given, WindowedPrediction) else given


@torch.no_grad()
def predict_windows(
    model: Model, batcher: Batcher, examples: Iterable[Example], batch_size: int = 32
) -> Iterator[WindowedPrediction | InputError]:
    """Predict each example as `decode` does, and say what of it was read."""
    was_training = model.training
    model.eval()
    try:
        with looking(model, batcher) as batcher:
            for chunk in chunk_by_size(examples, READ_AHEAD * batch_size, lambda example: len(example.words) / WORDS):
                yield from _answer_chunk(model, batcher, chunk, batch_size)
    finally:
        model.train(was_training)


@contextmanager
def looking(model: Model, batcher: Batcher) -> Iterator[Batcher]:
    """Give a batcher that looks at each image once, in worker processes where there are many."""
    if model.vision is None or batcher.features is not None:
        yield batcher
        return
    with FeatureCache(model.vision, pixels=batcher.pixels.get if batcher.pixels else None) as pyramids:
        yield Batcher(model, batcher.recipe, pyramids)


def chunk_by_size(things: Iterable[Thing], most: int, size: Callable[[Thing], float]) -> Iterator[list[Thing]]:
    """Group a stream into lists of `most` things, shorter ones where their sizes add up to `most` sooner."""
    chunk: list[Thing] = []
    full = 0.0
    for thing in things:
        chunk.append(thing)
        full += max(1.0, size(thing))
        if full >= most:
            yield chunk
            chunk, full = [], 0.0
    if chunk:
        yield chunk


def _answer_chunk(model: Model, batcher: Batcher, chunk: Sequence[Example], batch_size: int) -> list[WindowedPrediction | InputError]:
    pieces = [read_windows(batcher, example) for example in chunk]
    found = look(model, batcher, pieces, batch_size, decode_batch)
    return [_join(parts, own) for parts, own in zip(pieces, found, strict=True)]


def look(
    model: Model,
    batcher: Batcher,
    pieces: Sequence[list[Part] | InputError],
    batch_size: int,
    read: Callable[[Model, Batch], Sequence[Found]],
) -> list[list[Found] | InputError]:
    """Give what `read` makes of each window of each example, texts of like length together; an error is handed on."""
    queue = [(row, part) for row, parts in enumerate(pieces) if isinstance(parts, list) for part in range(len(parts))]
    queue.sort(key=lambda place: _length(pieces[place[0]], place[1]))
    found: dict[tuple[int, int], Found | InputError] = {}
    with looking(model, batcher) as batcher:
        hold(batcher, [item for parts in pieces if isinstance(parts, list) for _, item in parts])
        for i in range(0, len(queue), batch_size):
            places = queue[i : i + batch_size]
            items = [pieces[row][part][1] for row, part in places]  # type: ignore[index]
            found.update(zip(places, predict(model, batcher, items, read), strict=True))
    return [parts if isinstance(parts, InputError) else _all_of(found, row, len(parts)) for row, parts in enumerate(pieces)]


def _all_of(found: dict[tuple[int, int], Found | InputError], row: int, parts: int) -> list[Found] | InputError:
    own = [found[row, part] for part in range(parts)]
    fault = next((given for given in own if isinstance(given, InputError)), None)
    return [given for given in own if not isinstance(given, InputError)] if fault is None else fault


def read_windows(batcher: Batcher, example: Example) -> list[Part] | InputError:
    """Encode an example in as many windows as it needs (MRE: one, around head and tail); or give why it cannot be read."""
    try:
        if batcher.recipe.task == "mre":
            item = batcher.encode(example, labelled=False)
            first = item.text.first_word
            return [(Window(first, first + len(item.text.word_starts)), item)]
        longest = batcher.recipe.data.max_length
        return sliding_windows(example, lambda part: batcher.encode(part, labelled=False), lambda item: len(item.text.word_starts), longest)
    except (DataError, ImageError) as error:
        return error


def _length(parts: list[Part] | InputError, part: int) -> int:
    return 0 if isinstance(parts, InputError) else parts[part][1].text.length


def hold(batcher: Batcher, items: Iterable[EncodedExample]) -> None:
    """Have the images of these items ready; whose cannot be read is told by `predict`."""
    if batcher.features is not None:
        batcher.features.prefetch(view for item in items for view in item.views if view is not None)


def predict(
    model: Model, batcher: Batcher, items: Sequence[EncodedExample], read: Callable[[Model, Batch], Sequence[Found]]
) -> Sequence[Found | ImageError]:
    """Read a batch's scores; an item whose images cannot be read gives the error instead. `hold` comes before."""
    faults = [batcher.features.error_for(item.views) if batcher.features else None for item in items]
    sound = [item for item, fault in zip(items, faults, strict=True) if fault is None]
    read_off = read(model, batcher.collate(sound)) if sound else ()
    if len(read_off) != len(sound):
        raise ValueError(f"the head {type(model.head).__name__} gives {len(read_off)} predictions for {len(sound)} examples")
    for item, given in zip(sound, read_off, strict=True):
        words = len(item.text.word_starts)
        if isinstance(given, list) and any(not 0 <= entity.start < entity.end <= words for entity in given):
            raise ValueError(f"the head {type(model.head).__name__} gives entities outside of a text of {words} words: {given}")
    found = iter(read_off)
    return [next(found) if fault is None else fault for fault in faults]


def decode_batch(model: Model, batch: Batch) -> Sequence[Decoded]:
    """Score and decode one batch on the model's device.

    The class's own forward is called: training in bf16 wraps the model's, and dev scores must be those that `hvp eval` finds again.
    """
    device = next(model.parameters()).device
    batch = batch.to(device)
    return model.head.decode(type(model).forward(model, batch).scores, batch.text)


def _join(parts: list[Part] | InputError, found: list[Decoded] | InputError) -> WindowedPrediction | InputError:
    if isinstance(parts, InputError):
        return parts
    return found if isinstance(found, InputError) else merge_windows(parts, found)


def merge_windows(parts: Sequence[Part], found: Sequence[Decoded]) -> WindowedPrediction:
    """Put what was found in the windows of one example together."""
    read = tuple(window for window, _ in parts)
    image = any(view is not None for _, item in parts for view in item.views)
    if isinstance(found[0], Relation):
        return WindowedPrediction(found[0], read, image)
    entities = merge_predictions([(window, given) for window, given in zip(read, found, strict=True) if isinstance(given, list)])
    return WindowedPrediction(entities, read, image)


def count_with_image(recipe: Recipe, examples: Sequence[Example]) -> int:
    """Count the examples whose whole image is there and whose model looks at images."""
    return sum(example.image is not None for example in examples) if recipe.vision is not None else 0
