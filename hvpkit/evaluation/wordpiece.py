"""Entity scores over wordpieces, for comparison with the scores of the 2022 release.

Source: Chen et al. 2022, released code.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch

from hvpkit.batching import Batcher, EncodedExample
from hvpkit.errors import InputError
from hvpkit.evaluation.metrics import Scores, entity_scores
from hvpkit.inference.engine import caching_batcher, prefetch_features, run_batch
from hvpkit.interfaces import Batch
from hvpkit.model.heads.wordpiece_crf import WordpieceCrfHead
from hvpkit.model.model import Model
from hvpkit.types import Example


@torch.no_grad()
def wordpiece_scores(
    model: Model, batcher: Batcher, examples: Sequence[Example], batch_size: int = 32
) -> tuple[Scores, list[InputError]]:
    """Score the tags of the first wordpieces of words with seqeval.

    A predicted PAD, X, [CLS] or [SEP] is passed to seqeval unchanged. Words beyond `data.max_length` and words
    without wordpieces are excluded; an example that cannot be encoded counts as predicted without entities.

    Args:
        model: Model with a wordpiece CRF head.
        batcher: Batcher of the model.
        examples: Examples with gold tags.
        batch_size: Number of examples in a batch.

    Returns:
        The scores, and the errors of examples that cannot be encoded.
    """
    was_training = model.training
    model.eval()
    try:
        with caching_batcher(model, batcher) as batcher:
            batches = [examples[start : start + batch_size] for start in range(0, len(examples), batch_size)]
            predicted = [tags for batch in batches for tags in _predict_tags(model, batcher, batch)]
    finally:
        model.train(was_training)
    tag_pairs = [_scored_tags(example, tags) for example, tags in zip(examples, predicted, strict=True)]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* seems not to be NE tag", module="seqeval")  # PAD, X, [CLS], [SEP]
        scores = entity_scores([gold for gold, _ in tag_pairs], [tags for _, tags in tag_pairs])
    return scores, [tags for tags in predicted if isinstance(tags, InputError)]


def _predict_tags(model: Model, batcher: Batcher, examples: Sequence[Example]) -> list[dict[int, str] | InputError]:
    """Return the predicted tags of each example by word, or its error."""
    encoded = [_encode(batcher, example) for example in examples]
    items = [item for item in encoded if isinstance(item, EncodedExample)]
    prefetch_features(batcher, items)
    tags = iter(run_batch(model, batcher, items, _word_tags) if items else ())
    return [next(tags) if isinstance(item, EncodedExample) else item for item in encoded]


def _encode(batcher: Batcher, example: Example) -> EncodedExample | InputError:
    try:
        return batcher.encode(example, labeled=False)
    except InputError as error:
        return error


def _word_tags(model: Model, batch: Batch) -> list[dict[int, str]]:
    if not isinstance(model.head, WordpieceCrfHead):
        raise ValueError("wordpiece scores need a CRF head over wordpieces")
    batch = batch.to(next(model.parameters()).device)
    return model.head.word_tags(Model.forward(model, batch).scores, batch.text)


def _scored_tags(example: Example, tags: dict[int, str] | InputError) -> tuple[list[str], list[str]]:
    """Return the gold and predicted tags of the scored words."""
    gold = list(example.tags or ())
    if isinstance(tags, InputError):
        return gold, ["O"] * len(gold)
    return [gold[word] for word in tags], list(tags.values())
