"""Contract check for heads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import Tensor

from hvpkit.interfaces import EncodedText, Fused, Head, HeadContext, TextBatch, TextEncoder
from hvpkit.messages import Message
from hvpkit.testing.assertions import (
    build_checked,
    check_deterministic,
    check_gradients,
    check_state,
    require,
    require_close,
    require_shape,
    seeded,
)
from hvpkit.testing.inputs import EXAMPLES, LABELS, encode, small_bert, stack, text_batch
from hvpkit.types import Entity, Labels, Relation, Task

WIDTH = 12
Prediction: TypeAlias = "list[Entity] | Relation"


def check_head(
    factory: Callable[..., Head],
    *,
    task: Task = "mner",
    encoder: TextEncoder | None = None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Check a head.

    Scores, loss and predictions are valid and depend neither on padding nor on the batch; it has gradients, is
    deterministic, and is restored from its state dict.

    Args:
        factory: Factory of the head.
        task: Task of the head.
        encoder: Text encoder that the head requires; None takes a small BERT.
        options: Options of the factory.

    Raises:
        CheckFailed: If a check fails.
    """
    with seeded():
        context, encoder, examples = HeadContext(LABELS[task], WIDTH), encoder or small_bert(task), EXAMPLES[task]
        head = build_checked(factory, context, **options).eval()
        encoded = encode(encoder, examples)
        text = text_batch(encoder, encoded)
        pairs = zip(examples, encoded, strict=True)
        rows = [check_deterministic(partial(head.build_targets, *pair)) for pair in pairs]
        targets = stack(rows)
        fused = Fused(torch.randn(*text.mask.shape, WIDTH), torch.randn(len(examples), WIDTH))
        scores = head(fused, text)
        classes = len(context.labels.names)
        tags = scores.shape[-1]  # a head may have tags of its own for the labels
        require_shape("scores", scores, (*text.word_mask.shape, tags) if task == "mner" else (len(examples), classes))
        require_shape("the loss", head.loss(scores, text, targets), ())
        predictions: Sequence[Prediction] = head.decode(scores, text)
        require(
            len(predictions) == len(examples),
            Message("prediction-count", found=len(predictions), expected=len(examples)),
        )
        for prediction, words in zip(predictions, text.word_mask.sum(1).tolist(), strict=True):
            _check_prediction(prediction, words, context.labels)
        _check_padding(head, fused, text, targets)
        _check_rows(head, encoder, encoded, fused, predictions)

        def run(module: Head) -> list[Tensor]:
            return [module.loss(module(fused, text), text, targets)]

        check_state(head, lambda: factory(context, **options), run)
        check_gradients(head, run)


def _check_prediction(prediction: Prediction, words: int, labels: Labels) -> None:
    if isinstance(prediction, Relation):
        names = sorted(name for name, _ in prediction.probabilities)
        require(names == sorted(labels.names), Message("class-without-probability"))
        values = [value for _, value in prediction.probabilities]
        is_valid = values == sorted(values, reverse=True) and abs(sum(values) - 1) < 1e-4
        require(is_valid, Message("wrong-probabilities", values=values))
        require(
            (prediction.label, prediction.confidence) == prediction.probabilities[0], Message("label-not-likeliest")
        )
        return
    end = 0
    for entity in prediction:
        require(end <= entity.start < entity.end <= words, Message("wrong-entities", entities=prediction))
        require(
            any(name.endswith(f"-{entity.type}") for name in labels.names), Message("undeclared-type", type=entity.type)
        )
        require(0 <= entity.confidence <= 1, Message("wrong-confidence", confidence=entity.confidence))
        end = entity.end


def _check_padding(head: Head, fused: Fused, text: TextBatch, targets: dict[str, Tensor]) -> None:
    """Change the states of padding and compare."""
    states = (
        fused.states
        if fused.states is None
        else torch.where(text.mask[..., None], fused.states, torch.randn_like(fused.states))
    )
    before, after = head(fused, text), head(replace(fused, states=states), text)
    first_loss, second_loss = (head.loss(scores, text, targets) for scores in (after, before))
    require_close(first_loss, second_loss, lambda difference: Message("padding-changes-loss", difference=difference))
    first: Sequence[Prediction] = head.decode(before, text)
    second: Sequence[Prediction] = head.decode(after, text)
    for one, other in zip(first, second, strict=True):
        _require_equal_predictions(one, other, Message("padding-changes-prediction", first=one, second=other))


def _check_rows(
    head: Head, encoder: TextEncoder, encoded: Sequence[EncodedText], fused: Fused, together: Sequence[Prediction]
) -> None:
    for row, one in enumerate(encoded):
        text, row_slice = text_batch(encoder, [one]), slice(row, row + 1)
        states = None if fused.states is None else fused.states[row_slice, : len(one.word_ids)]
        alone = Fused(states, None if fused.pooled is None else fused.pooled[row_slice])
        prediction = head.decode(head(alone, text), text)[0]
        _require_equal_predictions(
            prediction, together[row], Message("batch-changes-prediction", first=prediction, second=together[row])
        )


def _require_equal_predictions(first: Prediction, second: Prediction, message: Message) -> None:
    if isinstance(first, Relation) or isinstance(second, Relation):
        pair = [dict(relation.probabilities) for relation in (first, second) if isinstance(relation, Relation)]
        require(len(pair) == 2 and all(abs(pair[0][name] - pair[1][name]) < 1e-4 for name in pair[0]), message)
        return
    require(
        [replace(entity, confidence=0.0) for entity in first] == [replace(entity, confidence=0.0) for entity in second],
        message,
    )
    require(all(abs(a.confidence - b.confidence) < 1e-4 for a, b in zip(first, second, strict=True)), message)
