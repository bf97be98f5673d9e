"""Entity scores as the release of Chen et al. 2022 counts them, for those who compare with its numbers."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch

from hvpkit.batching import Batcher, EncodedExample
from hvpkit.errors import InputError
from hvpkit.evaluation.metrics import Scores, entity_scores
from hvpkit.inference.engine import hold, looking, predict
from hvpkit.interfaces import Batch
from hvpkit.model.heads.wordpiece_crf import WordpieceCrfHead
from hvpkit.model.model import Model
from hvpkit.types import Example


@torch.no_grad()
def wordpiece_scores(model: Model, batcher: Batcher, examples: Sequence[Example], batch_size: int = 32) -> tuple[Scores, list[InputError]]:
    """Score the tags at words' first pieces with seqeval, and give the errors of examples that cannot be read.

    A predicted PAD, X, [CLS] or [SEP] goes there as it is. Words beyond `data.max_length`, and words of no pieces, are left out; an example
    that cannot be read counts as one without a find.
    """
    was_training = model.training
    model.eval()
    try:
        with looking(model, batcher) as seeing:
            found = [tags for i in range(0, len(examples), batch_size) for tags in _tags(model, seeing, examples[i : i + batch_size])]
    finally:
        model.train(was_training)
    rows = [_row(example, tags) for example, tags in zip(examples, found, strict=True)]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* seems not to be NE tag", module="seqeval")  # they are meant to go there
        scores = entity_scores([gold for gold, _ in rows], [guessed for _, guessed in rows])
    return scores, [tags for tags in found if isinstance(tags, InputError)]


def _tags(model: Model, batcher: Batcher, examples: Sequence[Example]) -> list[dict[int, str] | InputError]:
    """Give each example's tags by word, or why it cannot be read."""
    read = [_encoded(batcher, example) for example in examples]
    items = [item for item in read if isinstance(item, EncodedExample)]
    hold(batcher, items)
    answers = iter(predict(model, batcher, items, _word_tags) if items else ())
    return [next(answers) if isinstance(item, EncodedExample) else item for item in read]


def _encoded(batcher: Batcher, example: Example) -> EncodedExample | InputError:
    try:
        return batcher.encode(example, labelled=False)
    except InputError as error:
        return error


def _word_tags(model: Model, batch: Batch) -> list[dict[int, str]]:
    if not isinstance(model.head, WordpieceCrfHead):
        raise ValueError("tags of pieces are scored where the head is a CRF over pieces")
    batch = batch.to(next(model.parameters()).device)
    return model.head.word_tags(Model.forward(model, batch).scores, batch.text)


def _row(example: Example, tags: dict[int, str] | InputError) -> tuple[list[str], list[str]]:
    gold = list(example.tags or ())
    if isinstance(tags, InputError):
        return gold, ["O"] * len(gold)
    return [gold[word] for word in tags], list(tags.values())
