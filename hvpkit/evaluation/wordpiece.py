"""Entity scores over wordpieces, for comparison with the scores of the 2022 release.

Source: Chen et al. 2022, released code.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from hvpkit.batching import Batcher
from hvpkit.errors import InputError
from hvpkit.evaluation.metrics import Scores, entity_scores
from hvpkit.inference.decode import compute_scores
from hvpkit.inference.engine import InferenceEngine
from hvpkit.interfaces import Batch
from hvpkit.model.heads.wordpiece_crf import WordpieceCrfHead
from hvpkit.model.model import Model
from hvpkit.types import Example

WordTags = dict[int, str]  # tag of each word that has wordpieces, by index of the word


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
    engine = InferenceEngine(model, batcher, batch_size=batch_size)
    predicted = [
        result if isinstance(result, InputError) else result.values[0]
        for result in engine.run(examples, tag_wordpieces, long_texts="truncate")
    ]
    tag_pairs = [_scored_tags(example, tags) for example, tags in zip(examples, predicted, strict=True)]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* seems not to be NE tag", module="seqeval")  # PAD, X, [CLS], [SEP]
        scores = entity_scores([gold for gold, _ in tag_pairs], [tags for _, tags in tag_pairs])
    return scores, [tags for tags in predicted if isinstance(tags, InputError)]


def tag_wordpieces(model: Model, batch: Batch) -> Sequence[WordTags]:
    """Read the tag of the first wordpiece of each word of a batch."""
    if not isinstance(model.head, WordpieceCrfHead):
        raise ValueError("wordpiece scores need a CRF head over wordpieces")
    return model.head.word_tags(compute_scores(model, batch), batch.text)


def _scored_tags(example: Example, tags: WordTags | InputError) -> tuple[list[str], list[str]]:
    """Return the gold and predicted tags of the scored words."""
    gold = list(example.tags or ())
    if isinstance(tags, InputError):
        return gold, ["O"] * len(gold)
    return [gold[word] for word in tags], list(tags.values())
