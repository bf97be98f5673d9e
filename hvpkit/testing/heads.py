"""The contract of heads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import torch
from torch import Tensor

from hvpkit.contracts import EncodedText, Fused, Head, HeadContext, TextBatch, TextEncoder
from hvpkit.testing.assertions import check_gradients, check_state, made, prepared_twice, require, require_close, require_shape, seeded
from hvpkit.testing.inputs import EXAMPLES, LABELS, encode, small_bert, stack, text_batch
from hvpkit.types import Entity, Labels, Relation, Task

WIDTH = 12
Prediction: TypeAlias = "list[Entity] | Relation"


def check_head(
    factory: Callable[..., Head],
    *,
    task: Task = "mner",
    encoder: TextEncoder | None = None,
    **options: Any,  # noqa: ANN401 - its own
) -> None:
    """Check a head over the features of a small BERT, or of the `encoder` that it needs.

    Scores, loss and predictions are as they should be, and neither padding nor other rows change them; gradients, determinism and state.
    Raises AssertionError for what is broken.
    """
    with seeded():
        context, encoder, examples = HeadContext(LABELS[task], WIDTH), encoder or small_bert(task), EXAMPLES[task]
        head = made(factory, context, **options).eval()
        encoded = encode(encoder, examples)
        text = text_batch(encoder, encoded)
        rows = [prepared_twice(lambda pair=pair: head.prepare(*pair)) for pair in zip(examples, encoded, strict=True)]  # type: ignore[misc]
        targets = stack(rows)
        fused = Fused(torch.randn(*text.mask.shape, WIDTH), torch.randn(len(examples), WIDTH))
        scores = head(fused, text)
        classes = len(context.labels.names)
        require_shape("scores", scores, (*text.word_mask.shape, classes) if task == "mner" else (len(examples), classes))
        require_shape("the loss", head.loss(scores, text, targets), ())
        predictions: Sequence[Prediction] = head.decode(scores, text)
        require(len(predictions) == len(examples), f"it decodes {len(predictions)} predictions of {len(examples)} examples")
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
        require(sorted(name for name, _ in prediction.probabilities) == sorted(labels.names), "it does not give every class a probability")
        values = [value for _, value in prediction.probabilities]
        require(values == sorted(values, reverse=True) and abs(sum(values) - 1) < 1e-4, f"probabilities {values} do not fall, or sum to 1")
        require((prediction.label, prediction.confidence) == prediction.probabilities[0], "its label is not the likeliest class")
        return
    end = 0
    for entity in prediction:
        require(end <= entity.start < entity.end <= words, f"entities overlap, are not in order, or leave the text: {prediction}")
        require(any(name.endswith(f"-{entity.type}") for name in labels.names), f"{entity.type!r} is no type of the labels")
        require(0 <= entity.confidence <= 1, f"a confidence of {entity.confidence} is no probability")
        end = entity.end


def _check_padding(head: Head, fused: Fused, text: TextBatch, targets: dict[str, Tensor]) -> None:
    """Change the states of padding."""
    states = fused.states if fused.states is None else torch.where(text.mask[..., None], fused.states, torch.randn_like(fused.states))
    before, after = head(fused, text), head(replace(fused, states=states), text)
    require_close("the losses before and after padding changes", head.loss(after, text, targets), head.loss(before, text, targets))
    first: Sequence[Prediction] = head.decode(before, text)
    second: Sequence[Prediction] = head.decode(after, text)
    for one, other in zip(first, second, strict=True):
        _require_alike("before and after padding changes", one, other)


def _check_rows(head: Head, encoder: TextEncoder, encoded: Sequence[EncodedText], fused: Fused, together: Sequence[Prediction]) -> None:
    for row, one in enumerate(encoded):
        text, own = text_batch(encoder, [one]), slice(row, row + 1)
        states = None if fused.states is None else fused.states[own, : len(one.word_of)]
        alone = Fused(states, None if fused.pooled is None else fused.pooled[own])
        _require_alike("alone and in a batch", head.decode(head(alone, text), text)[0], together[row])


def _require_alike(when: str, first: Prediction, second: Prediction) -> None:
    sentence = f"predictions {when} differ: {first} and {second}"
    if isinstance(first, Relation) or isinstance(second, Relation):
        pair = [dict(relation.probabilities) for relation in (first, second) if isinstance(relation, Relation)]
        require(len(pair) == 2 and all(abs(pair[0][name] - pair[1][name]) < 1e-4 for name in pair[0]), sentence)
        return
    require([replace(entity, confidence=0.0) for entity in first] == [replace(entity, confidence=0.0) for entity in second], sentence)
    require(all(abs(a.confidence - b.confidence) < 1e-4 for a, b in zip(first, second, strict=True)), sentence)
