"""Read entities or relations from batches, and merge the predictions for the windows of an example."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from hvpkit.batching import Batcher
from hvpkit.errors import InputError
from hvpkit.inference.engine import InferenceEngine, WindowedResult
from hvpkit.inference.windows import Window, merge_predictions
from hvpkit.interfaces import Batch, TextBatch, Trace
from hvpkit.model.model import Model
from hvpkit.types import Entity, Example, Relation

Decoded = list[Entity] | Relation


@dataclass(frozen=True)
class WindowedPrediction:
    """Prediction of an example.

    Attributes:
        decoded: Entities over the words of the example, or its relation.
        windows: Words of each window that was encoded.
        image_used: Whether an image or a crop of the example was used.
    """

    decoded: Decoded
    windows: tuple[Window, ...]
    image_used: bool


def compute_scores(model: Model, batch: Batch, trace: Trace | None = None) -> Tensor:
    """Compute the scores of a batch: emissions [B, n, L] or logits [B, classes].

    The forward method of the class is called, because bf16 training wraps the method of the instance in autocast: dev
    scores must equal the scores of `hvp eval`.

    Args:
        model: Model.
        batch: Batch on the device of the model.
        trace: Filled with gates and attention.
    """
    return type(model).forward(model, batch, trace).scores


def decode_scores(model: Model, scores: Tensor, text: TextBatch) -> Sequence[Decoded]:
    """Decode the entities or the relation of each row from the scores of the head.

    Args:
        model: Model.
        scores: Scores of the head.
        text: Texts of the batch.

    Raises:
        ValueError: The head returns a wrong number of results, or entities outside the text.
    """
    decoded: Sequence[Decoded] = model.head.decode(scores, text)
    head, num_words = type(model.head).__name__, text.word_mask.sum(1).tolist()
    if len(decoded) != len(num_words):
        raise ValueError(f"the head {head} returns {len(decoded)} predictions for {len(num_words)} examples")
    for words, result in zip(num_words, decoded, strict=True):
        if isinstance(result, list) and any(not 0 <= entity.start < entity.end <= words for entity in result):
            raise ValueError(f"the head {head} returns entities outside of a text of {words} words: {result}")
    return decoded


def decode_batch(model: Model, batch: Batch) -> Sequence[Decoded]:
    """Read the entities (MNER) or the relation (MRE) of each row of a batch."""
    return decode_scores(model, compute_scores(model, batch), batch.text)


def merge_windows(result: WindowedResult[Decoded]) -> WindowedPrediction:
    """Merge the predictions for the windows of one example."""
    windows = tuple(window for window, _ in result.windows)
    image_used = any(region is not None for _, item in result.windows for region in item.regions)
    if isinstance(result.values[0], Relation):
        return WindowedPrediction(result.values[0], windows, image_used)
    pairs = zip(windows, result.values, strict=True)
    entities = merge_predictions([(window, decoded) for window, decoded in pairs if isinstance(decoded, list)])
    return WindowedPrediction(entities, windows, image_used)


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
    for result in InferenceEngine(model, batcher, batch_size=batch_size).run(examples, decode_batch):
        yield result if isinstance(result, InputError) else merge_windows(result).decoded
