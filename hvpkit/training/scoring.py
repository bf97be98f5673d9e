"""Scores of the splits during and after training."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from hvpkit.batching import Batcher
from hvpkit.errors import InputError
from hvpkit.evaluation.evaluate import score_predictions
from hvpkit.evaluation.metrics import Scores
from hvpkit.evaluation.wordpiece import wordpiece_scores
from hvpkit.inference.decode import predict_stream
from hvpkit.messages import Message
from hvpkit.model.model import Model
from hvpkit.types import Example, Split

log = logging.getLogger(__name__)


class SplitScorer:
    """Score splits with the current weights of a model.

    Args:
        model: The model.
        batcher: Its batcher.
        examples: Examples by split.

    Attributes:
        num_unread: Number of examples that could not be read, by scored split.
        latest_dev: Latest dev scores; None before dev is scored.
    """

    def __init__(self, model: Model, batcher: Batcher, examples: Mapping[Split, Sequence[Example]]) -> None:
        self.model, self.batcher, self.examples = model, batcher, examples
        self.num_unread: dict[Split, int] = {}
        self.latest_dev: Scores | None = None

    def score(self, split: Split) -> Scores | None:
        """Score a split; None if it has no examples.

        An example that cannot be read counts as predicted without entities or relation; a warning is logged once per
        split.
        """
        if not self.examples[split]:
            return None
        scores, unread = self._score(self.examples[split])
        if unread and split not in self.num_unread:
            log.warning(Message("scored-examples-unreadable", count=len(unread), split=split, reason=unread[0].message))
        self.num_unread[split] = len(unread)
        if split == "dev":
            self.latest_dev = scores
        return scores

    def _score(self, examples: Sequence[Example]) -> tuple[Scores, list[InputError]]:
        if self.batcher.recipe.scoring == "wordpieces":
            return wordpiece_scores(self.model, self.batcher, examples)
        predictions = list(predict_stream(self.model, self.batcher, examples))
        return score_predictions(examples, predictions), [each for each in predictions if isinstance(each, InputError)]
