"""Effects of counterfactuals on a prediction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hvpkit.errors import InputError
from hvpkit.explain.attention import window_index
from hvpkit.explain.counterfactuals import Counterfactual
from hvpkit.explain.explanation import CounterfactualEffect, CounterfactualResult
from hvpkit.explain.trace import TracedResult, merge_traces, trace_batch
from hvpkit.inference.decode import WindowedPrediction
from hvpkit.inference.engine import InferenceEngine
from hvpkit.inference.inputs import ParsedInput
from hvpkit.inference.predictor import to_text_entity
from hvpkit.model.model import Model
from hvpkit.types import Entity, Relation


def counterfactual_results(
    engine: InferenceEngine,
    variants: Sequence[Counterfactual],
    parsed: ParsedInput,
    before: WindowedPrediction,
    present: Sequence[int],
) -> Iterator[CounterfactualResult]:
    """Predict the counterfactuals of an example and compare them with its prediction.

    Args:
        engine: Engine of the model.
        variants: The counterfactuals.
        parsed: The parsed input.
        before: The prediction with the original images.
        present: Indices of the image regions that are present.

    Raises:
        InputError: If a counterfactual cannot be predicted.
    """
    encoded = (variant.encode(engine.batcher) for variant in variants)
    for variant, result in zip(variants, engine.run_encoded(encoded, trace_batch), strict=True):
        if isinstance(result, InputError):
            raise result
        image = None if variant.image is None else present.index(variant.image)
        effects, new_entities = _compare(before, result, engine.model)
        entities = tuple(to_text_entity(entity, parsed) for entity in new_entities)
        yield CounterfactualResult(variant.kind, variant.name, image, effects, entities)


def _compare(
    before: WindowedPrediction, result: TracedResult, model: Model
) -> tuple[tuple[CounterfactualEffect, ...], list[Entity]]:
    """Return the effect on each decision, and the entities that are predicted only with the other images."""
    old, new = before.decoded, merge_traces(result).decoded
    if isinstance(old, Relation) and isinstance(new, Relation):
        after = dict(new.probabilities)[old.label]
        return (CounterfactualEffect(old.confidence, after, new.label, old.label != new.label),), []
    if isinstance(old, Relation) or isinstance(new, Relation):
        raise ValueError("a counterfactual changed the task of the prediction")
    confidences = entity_confidences(model, result, old)
    effects = tuple(_effect(entity, after, new) for entity, after in zip(old, confidences, strict=True))
    known = {(entity.start, entity.end) for entity in old}
    return effects, [entity for entity in new if (entity.start, entity.end) not in known]


def _effect(entity: Entity, after: float | None, entities: Sequence[Entity]) -> CounterfactualEffect:
    span = (entity.start, entity.end)
    becomes = next((other.type for other in entities if (other.start, other.end) == span), None)
    return CounterfactualEffect(entity.confidence, after, becomes, becomes != entity.type)


def entity_confidences(model: Model, result: TracedResult, entities: Sequence[Entity]) -> list[float | None]:
    """Compute the probability of each entity, predicted or not, in the window that its first word is assigned to.

    Args:
        model: The model.
        result: Traced windows of the text.
        entities: Entities of the whole text.

    Returns:
        Probabilities 0..1; None for an entity that no window contains or that the head has no probability for.
    """
    windows = [window for window, _ in result.windows]
    probabilities: list[float | None] = []
    for entity in entities:
        index = window_index(entity.start, windows)
        if index is None or entity.end > windows[index].end:
            probabilities.append(None)
            continue
        first_word, traced = windows[index].start, result.values[index]
        shifted = Entity(entity.start - first_word, entity.end - first_word, entity.type, 0.0)
        probabilities.append(model.head.confidences(traced.scores, traced.text, [[shifted]])[0][0])
    return probabilities
