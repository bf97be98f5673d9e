"""Explain the prediction of a model for one text with its images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from hvpkit.batching import Batcher
from hvpkit.errors import InputError
from hvpkit.explain.attention import AttentionByWord, window_index
from hvpkit.explain.counterfactuals import Counterfactual, ReplacementImage, counterfactuals
from hvpkit.explain.explanation import (
    CounterfactualEffect,
    CounterfactualResult,
    Decision,
    Explanation,
    GateWeights,
    MentionAttention,
    ModelImage,
    layer_groups,
)
from hvpkit.explain.trace import TracedWindow, trace_batch
from hvpkit.features.cache import FeatureCache
from hvpkit.images.regions import ImageRegion
from hvpkit.inference.engine import EncodedWindow, WindowedPrediction, encode_windows, merge_windows, run_windows
from hvpkit.inference.inputs import ParsedInput
from hvpkit.inference.predictor import Predictor, build_prediction, to_text_entity
from hvpkit.labels.gold import gold_labels
from hvpkit.model.model import Model
from hvpkit.records.sentence import char_span
from hvpkit.types import Entity, Example, Relation, Span, VisualObject

BATCH_SIZE = 8


@torch.no_grad()
def explain_example(
    predictor: Predictor, parsed: ParsedInput, replacement: ReplacementImage | None = None
) -> Explanation:
    """Explain a prediction: attention, gates and counterfactuals.

    Args:
        predictor: The loaded model.
        parsed: The parsed input.
        replacement: Replacement image for a counterfactual; None: no such counterfactual.

    Returns:
        The explanation, with the prediction that `predict` returns.

    Raises:
        InputError: If the input cannot be predicted.
    """
    model, batcher, example = predictor.model, predictor.batcher, parsed.example
    windows = _raise_if_error(encode_windows(batcher, example))
    traces = _trace_windows(model, batcher, [windows])[0]
    result = merge_windows(windows, [traced.decoded for traced in traces])
    prediction = build_prediction(parsed, result)
    if isinstance(prediction, InputError):
        raise prediction
    traced, images = traces[0], model_images(example, windows[0][1].regions, batcher)
    present = [v for v, image in enumerate(images) if image is not None]
    attention = AttentionByWord([window for window, _ in windows], traces, len(images), present)
    num_words = len(parsed.words) if present and traced.looks is not None else 0  # words with attention on images
    return Explanation(
        id=example.id,
        prediction=prediction,
        words=parsed.words,
        images=tuple(image for image in images if image is not None),
        mentions=tuple(_mentions(result, parsed, attention)),
        decisions=_decisions(result),
        changes=tuple(_counterfactual_results(predictor, parsed, result, present, replacement)),
        image=example.image,
        groups=layer_groups(_num_layers(traced) if present else 0),
        looks=tuple(attention.for_words(word, word + 1) for word in range(num_words)),
        gates=_gates(traced.gates, present, traced.level_name),
        grid=batcher.recipe.vision.grid if batcher.recipe.vision else 1,
        cells_are_places=traced.cells_are_places,
        gold=gold_label_texts(example, parsed),
        named={name: tensor.tolist() for name, tensor in traced.named.items()},
        notes=prediction.notes,
    )


def _raise_if_error(windows: list[EncodedWindow] | InputError) -> list[EncodedWindow]:
    if isinstance(windows, InputError):
        raise windows
    return windows


def _trace_windows(
    model: Model, batcher: Batcher, windows: Sequence[list[EncodedWindow] | InputError]
) -> list[list[TracedWindow]]:
    by_example = []
    for traces in run_windows(model, batcher, windows, BATCH_SIZE, trace_batch):
        if isinstance(traces, InputError):
            raise traces
        by_example.append(traces)
    return by_example


def model_images(example: Example, regions: Sequence[ImageRegion | None], batcher: Batcher) -> list[ModelImage | None]:
    """Describe the V images of an example in the order of the model.

    Args:
        example: The example.
        regions: Its image regions [V].
        batcher: Batcher of the model.

    Returns:
        One description per region, None for a missing one.
    """
    vision = batcher.recipe.vision
    if vision is None or not any(regions):
        return [None] * len(regions)
    names = [
        *(["whole image"] if vision.full_image else []),
        *(f"object {number + 1}" for number in range(vision.max_objects)),
    ]
    objects: list[VisualObject | None] = [
        *([None] if vision.full_image else []),
        *example.objects[: vision.max_objects],
    ]
    objects += [None] * (len(regions) - len(objects))
    blanks = vision.missing == "zeros"
    return [
        _image(name, region, visual_object, example)
        if region is not None
        else ModelImage(name, "blank") if blanks else None
        for name, region, visual_object in zip(names, regions, objects, strict=True)
    ]  # fmt: skip


def _image(name: str, region: ImageRegion, visual_object: VisualObject | None, example: Example) -> ModelImage:
    if visual_object is None:
        return ModelImage(name, "whole", region.image, region.box, region.normalized_box)
    is_placed = visual_object.box is not None and example.image is not None
    box = region.normalized_box if is_placed else None
    return ModelImage(name, "object", region.image, region.box, box, visual_object.phrase, visual_object.score)


def _num_layers(traced: TracedWindow) -> int:
    if traced.looks is not None:
        return len(traced.looks)
    return 0 if traced.gates is None else traced.gates.shape[1]


def _gates(gates: Tensor | None, present: Sequence[int], level_name: str) -> GateWeights | None:
    if gates is None or not present:
        return None
    weights = gates[list(present)].tolist()
    return GateWeights(tuple(tuple(tuple(row) for row in image) for image in weights), level_name)


def gold_label_texts(example: Example, parsed: ParsedInput) -> tuple[str, ...]:
    """Return the gold labels as texts: each entity with its type, or the relation; empty if not known.

    Args:
        example: The labeled example.
        parsed: The parsed input, for the text of entities.
    """
    if example.relation is not None:
        return (example.relation,)
    if example.tags is None:
        return ()
    return tuple(
        f"{char_span(spans[0], parsed.text, parsed.words).text}: {label}" for spans, label in gold_labels(example)
    )


def _mentions(
    result: WindowedPrediction, parsed: ParsedInput, attention: AttentionByWord
) -> Iterator[MentionAttention]:
    example = parsed.example
    spans = {"head": example.head, "tail": example.tail} if isinstance(result.decoded, Relation) else {}
    mentions = [(role, span) for role, span in spans.items() if span is not None]
    mentions += [(e.type, Span(e.start, e.end)) for e in result.decoded] if isinstance(result.decoded, list) else []
    for role, span in mentions:
        yield MentionAttention(
            role, char_span(span, parsed.text, parsed.words), span, attention.for_words(span.start, span.end)
        )


def _decisions(result: WindowedPrediction) -> tuple[Decision, ...]:
    if isinstance(result.decoded, Relation):
        return (Decision(result.decoded.label, result.decoded.confidence),)
    return tuple(Decision(entity.type, entity.confidence, number) for number, entity in enumerate(result.decoded))


def _counterfactual_results(
    predictor: Predictor,
    parsed: ParsedInput,
    before: WindowedPrediction,
    present: Sequence[int],
    replacement: ReplacementImage | None,
) -> Iterator[CounterfactualResult]:
    model, recipe = predictor.model, predictor.folder.recipe
    if model.vision is None or recipe.vision is None:
        return
    batcher = Batcher(model, recipe, FeatureCache(model.vision))  # features of each image are computed once
    variants = list(counterfactuals(parsed.example, batcher, recipe.vision, replacement))
    encoded = [variant.encode(batcher) for variant in variants]
    for variant, windows, traces in zip(variants, encoded, _trace_windows(model, batcher, encoded), strict=True):
        yield _counterfactual_result(variant, parsed, before, windows, traces, model, present)


def _counterfactual_result(
    variant: Counterfactual,
    parsed: ParsedInput,
    before: WindowedPrediction,
    windows: Sequence[EncodedWindow],
    traces: Sequence[TracedWindow],
    model: Model,
    present: Sequence[int],
) -> CounterfactualResult:
    after = merge_windows(windows, [traced.decoded for traced in traces])
    image = None if variant.image is None else present.index(variant.image)
    if isinstance(before.decoded, Relation) and isinstance(after.decoded, Relation):
        was, now = before.decoded, after.decoded
        effect = CounterfactualEffect(
            was.confidence, dict(now.probabilities)[was.label], now.label, was.label != now.label
        )
        return CounterfactualResult(variant.kind, variant.name, image, (effect,))
    entities_before, entities_after = _entities(before), _entities(after)
    confidences = entity_confidences(model, windows, traces, entities_before)
    effects = tuple(
        _effect(entity, confidence, entities_after)
        for entity, confidence in zip(entities_before, confidences, strict=True)
    )
    known = {(e.start, e.end) for e in entities_before}
    new = [entity for entity in entities_after if (entity.start, entity.end) not in known]
    return CounterfactualResult(
        variant.kind, variant.name, image, effects, tuple(to_text_entity(entity, parsed) for entity in new)
    )


def _entities(result: WindowedPrediction) -> list[Entity]:
    return result.decoded if isinstance(result.decoded, list) else []


def _effect(entity: Entity, after: float | None, now: Sequence[Entity]) -> CounterfactualEffect:
    becomes = next((other.type for other in now if (other.start, other.end) == (entity.start, entity.end)), None)
    return CounterfactualEffect(entity.confidence, after, becomes, becomes != entity.type)


def entity_confidences(
    model: Model, windows: Sequence[EncodedWindow], traces: Sequence[TracedWindow], entities: Sequence[Entity]
) -> list[float | None]:
    """Compute the probability of each entity, predicted or not, in the window that its first word is assigned to.

    Args:
        model: The model.
        windows: Encoded windows.
        traces: Traced forward pass of each window.
        entities: Entities of the whole text.

    Returns:
        Probabilities 0..1; None for an entity that no window contains or that the head has no probability for.
    """
    spans = [window for window, _ in windows]
    probabilities: list[float | None] = []
    for entity in entities:
        index = window_index(entity.start, spans)
        if index is None or entity.end > spans[index].end:
            probabilities.append(None)
            continue
        shift = spans[index].start
        shifted = Entity(entity.start - shift, entity.end - shift, entity.type, 0.0)
        probabilities.append(model.head.confidences(traces[index].scores, traces[index].text, [[shifted]])[0][0])
    return probabilities
