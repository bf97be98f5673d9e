"""From examples to predictions: the one path that evaluation, `predict` and Python users share (it knows no command line)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import torch

from hvpkit.contracts import Batch
from hvpkit.data.batching import Batcher, Item
from hvpkit.errors import DataError, InputError, PictureError
from hvpkit.heads.bio import to_tags
from hvpkit.metrics import Scores, entity_scores, relation_scores
from hvpkit.model import Model
from hvpkit.text.windows import Window, merge, windows
from hvpkit.types import Entity, Example, Relation

Decoded = list[Entity] | Relation
READ_AHEAD = 16  # batches sorted by length together


@torch.no_grad()
def decode(model: Model, batcher: Batcher, examples: Iterable[Example], batch_size: int = 32) -> Iterator[Decoded | InputError]:
    """Predict each example, in order, streaming; one that cannot be read gives its error instead.

    MNER gives entities over the example's words, long texts read in windows; MRE gives the relation.
    """
    remaining = iter(examples)
    was_training = model.training
    model.eval()
    try:
        while chunk := list(islice(remaining, READ_AHEAD * batch_size)):
            yield from _decode_chunk(model, batcher, chunk, batch_size)
    finally:
        model.train(was_training)


def _decode_chunk(model: Model, batcher: Batcher, chunk: Sequence[Example], batch_size: int) -> list[Decoded | InputError]:
    pieces: list[list[tuple[Window, Item]] | InputError] = [_read(batcher, example) for example in chunk]
    queue = [(row, part) for row, parts in enumerate(pieces) if isinstance(parts, list) for part in range(len(parts))]
    queue.sort(key=lambda place: _length(pieces[place[0]], place[1]))
    answers: dict[tuple[int, int], Decoded | InputError] = {}
    for i in range(0, len(queue), batch_size):
        places = queue[i : i + batch_size]
        items = [pieces[row][part][1] for row, part in places]  # type: ignore[index]
        answers.update(zip(places, _predict(model, batcher, items), strict=True))
    return [parts if isinstance(parts, InputError) else _join(row, parts, answers) for row, parts in enumerate(pieces)]


def _read(batcher: Batcher, example: Example) -> list[tuple[Window, Item]] | InputError:
    try:
        if batcher.recipe.task == "mre":
            return [(Window(0, len(example.words)), batcher.encode(example, labelled=False))]
        return windows(example, lambda part: batcher.encode(part, labelled=False), lambda item: len(item.text.word_starts))
    except (DataError, PictureError) as error:
        return error


def _length(parts: list[tuple[Window, Item]] | InputError, part: int) -> int:
    return 0 if isinstance(parts, InputError) else len(next(iter(parts[part][1].text.features.values())))


def _predict(model: Model, batcher: Batcher, items: Sequence[Item]) -> Sequence[Decoded | InputError]:
    """Predict a batch; when a picture in it cannot be read, its examples go one by one, so that only the bad one fails."""
    try:
        return run(model, batcher.collate(items))
    except PictureError as error:
        if len(items) == 1:
            return [error]
        return [answer for item in items for answer in _predict(model, batcher, [item])]


def run(model: Model, batch: Batch) -> Sequence[Decoded]:
    """Score and decode one batch on the model's device."""
    device = next(model.parameters()).device
    batch = batch.to(device)
    return model.head.decode(model(batch).scores, batch.text)


def _join(row: int, parts: list[tuple[Window, Item]], answers: dict[tuple[int, int], Decoded | InputError]) -> Decoded | InputError:
    found = [answers[row, part] for part in range(len(parts))]
    error = next((answer for answer in found if isinstance(answer, InputError)), None)
    if error is not None:
        return error
    if isinstance(found[0], Relation):
        return found[0]
    return merge([(window, entities) for (window, _), entities in zip(parts, found, strict=True) if isinstance(entities, list)])


def score(examples: Sequence[Example], answers: Sequence[Decoded | InputError]) -> Scores:
    """Score predictions against the examples' labels; an example that could not be read counts as one without a find."""
    if examples and examples[0].tags is None:
        predicted = [answer.label if isinstance(answer, Relation) else "None" for answer in answers]
        return relation_scores([str(example.relation) for example in examples], predicted)
    found = [answer if isinstance(answer, list) else [] for answer in answers]
    tags = [to_tags(entities, len(example.words)) for example, entities in zip(examples, found, strict=True)]
    return entity_scores([example.tags or () for example in examples], tags)
