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
from hvpkit.inference.engine import Part, WindowedPrediction, look, merge_windows, read_windows
from hvpkit.inference.inputs import ParsedInput, char_span
from hvpkit.inference.predictor import Predictor, build_prediction, to_text_entity
from hvpkit.labels.gold import gold_labels
from hvpkit.model.model import Model
from hvpkit.types import Entity, Example, Relation, Span, VisualObject

BATCH = 8


@torch.no_grad()
def explain_example(predictor: Predictor, reading: ParsedInput, other: ReplacementImage | None = None) -> Explanation:
    """Explain a prediction: attention, gates and counterfactuals.

    Args:
        predictor: The loaded model.
        reading: The parsed input.
        other: Replacement image for a counterfactual; None: no such counterfactual.

    Returns:
        The explanation, with the prediction that `predict` returns.

    Raises:
        InputError: If the input cannot be predicted.
    """
    model, batcher, example = predictor.model, predictor.batcher, reading.example
    parts = _raised(read_windows(batcher, example))
    passes = _passes(model, batcher, [parts])[0]
    answer = merge_windows(parts, [seen.decoded for seen in passes])
    prediction = build_prediction(reading, answer)
    if isinstance(prediction, InputError):
        raise prediction
    seen, images = passes[0], model_images(example, parts[0][1].regions, batcher)
    shown = [v for v, image in enumerate(images) if image is not None]
    looking = AttentionByWord([window for window, _ in parts], passes, len(images), shown)
    num_words = len(reading.words) if shown and seen.looks is not None else 0  # words with attention on images
    return Explanation(
        id=example.id,
        prediction=prediction,
        words=reading.words,
        images=tuple(image for image in images if image is not None),
        mentions=tuple(_mentions(answer, reading, looking)),
        decisions=_decisions(answer),
        changes=tuple(_changes(predictor, reading, answer, shown, other)),
        image=example.image,
        groups=layer_groups(_num_layers(seen) if shown else 0),
        looks=tuple(looking.for_words(word, word + 1) for word in range(num_words)),
        gates=_gates(seen.gates, shown, seen.level_name),
        grid=batcher.recipe.vision.grid if batcher.recipe.vision else 1,
        cells_are_places=seen.cells_are_places,
        gold=gold_answers(example, reading),
        named={name: tensor.tolist() for name, tensor in seen.named.items()},
        notes=prediction.notes,
    )


def _raised(parts: list[Part] | InputError) -> list[Part]:
    if isinstance(parts, InputError):
        raise parts
    return parts


def _passes(model: Model, batcher: Batcher, windows: Sequence[list[Part] | InputError]) -> list[list[TracedWindow]]:
    by_example = []
    for passes in look(model, batcher, windows, BATCH, trace_batch):
        if isinstance(passes, InputError):
            raise passes
        by_example.append(passes)
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
        return ModelImage(name, "whole", region.file, region.box, region.normalized_box)
    is_placed = visual_object.box is not None and example.image is not None
    box = region.normalized_box if is_placed else None
    return ModelImage(name, "object", region.file, region.box, box, visual_object.phrase, visual_object.score)


def _num_layers(seen: TracedWindow) -> int:
    if seen.looks is not None:
        return len(seen.looks)
    return 0 if seen.gates is None else seen.gates.shape[1]


def _gates(gates: Tensor | None, shown: Sequence[int], level_name: str) -> GateWeights | None:
    if gates is None or not shown:
        return None
    weights = gates[list(shown)].tolist()
    return GateWeights(tuple(tuple(tuple(row) for row in image) for image in weights), level_name)


def gold_answers(example: Example, reading: ParsedInput) -> tuple[str, ...]:
    """Return the gold labels as texts: each entity with its type, or the relation; empty if not known.

    Args:
        example: The labeled example.
        reading: The parsed input, for the text of entities.
    """
    if example.relation is not None:
        return (example.relation,)
    if example.tags is None:
        return ()
    return tuple(
        f"{char_span(spans[0], reading.text, reading.words).text}: {label}" for spans, label in gold_labels(example)
    )


def _mentions(answer: WindowedPrediction, reading: ParsedInput, looking: AttentionByWord) -> Iterator[MentionAttention]:
    example = reading.example
    spans = {"head": example.head, "tail": example.tail} if isinstance(answer.found, Relation) else {}
    mentions = [(role, span) for role, span in spans.items() if span is not None]
    mentions += [(e.type, Span(e.start, e.end)) for e in answer.found] if isinstance(answer.found, list) else []
    for role, span in mentions:
        yield MentionAttention(
            role, char_span(span, reading.text, reading.words), span, looking.for_words(span.start, span.end)
        )


def _decisions(answer: WindowedPrediction) -> tuple[Decision, ...]:
    if isinstance(answer.found, Relation):
        return (Decision(answer.found.label, answer.found.confidence),)
    return tuple(Decision(entity.type, entity.confidence, number) for number, entity in enumerate(answer.found))


def _changes(
    predictor: Predictor,
    reading: ParsedInput,
    before: WindowedPrediction,
    shown: Sequence[int],
    other: ReplacementImage | None,
) -> Iterator[CounterfactualResult]:
    model, recipe = predictor.model, predictor.folder.recipe
    if model.vision is None or recipe.vision is None:
        return
    batcher = Batcher(model, recipe, FeatureCache(model.vision))  # features of each image are computed once
    variants = list(counterfactuals(reading.example, batcher, recipe.vision, other))
    windows = [variant.parts(batcher) for variant in variants]
    for variant, parts, passes in zip(variants, windows, _passes(model, batcher, windows), strict=True):
        yield _change(variant, reading, before, parts, passes, model, shown)


def _change(
    variant: Counterfactual,
    reading: ParsedInput,
    before: WindowedPrediction,
    parts: Sequence[Part],
    passes: Sequence[TracedWindow],
    model: Model,
    shown: Sequence[int],
) -> CounterfactualResult:
    after = merge_windows(parts, [seen.decoded for seen in passes])
    image = None if variant.image is None else shown.index(variant.image)
    if isinstance(before.found, Relation) and isinstance(after.found, Relation):
        was, now = before.found, after.found
        effect = CounterfactualEffect(
            was.confidence, dict(now.probabilities)[was.label], now.label, was.label != now.label
        )
        return CounterfactualResult(variant.kind, variant.name, image, (effect,))
    entities_before, entities_after = _entities(before), _entities(after)
    confidences = entity_confidences(model, parts, passes, entities_before)
    effects = tuple(
        _effect(entity, confidence, entities_after)
        for entity, confidence in zip(entities_before, confidences, strict=True)
    )
    known = {(e.start, e.end) for e in entities_before}
    new = [entity for entity in entities_after if (entity.start, entity.end) not in known]
    return CounterfactualResult(
        variant.kind, variant.name, image, effects, tuple(to_text_entity(entity, reading) for entity in new)
    )


def _entities(answer: WindowedPrediction) -> list[Entity]:
    return answer.found if isinstance(answer.found, list) else []


def _effect(entity: Entity, after: float | None, now: Sequence[Entity]) -> CounterfactualEffect:
    becomes = next((other.type for other in now if (other.start, other.end) == (entity.start, entity.end)), None)
    return CounterfactualEffect(entity.confidence, after, becomes, becomes != entity.type)


def entity_confidences(
    model: Model, parts: Sequence[Part], passes: Sequence[TracedWindow], entities: Sequence[Entity]
) -> list[float | None]:
    """Compute the probability of each entity, predicted or not, in the window that owns it.

    Args:
        model: The model.
        parts: Encoded windows.
        passes: Their traced forward passes.
        entities: Entities of the whole text.

    Returns:
        Probabilities 0..1; None for an entity that no window contains or that the head has no probability for.
    """
    windows = [window for window, _ in parts]
    probabilities: list[float | None] = []
    for entity in entities:
        index = window_index(entity.start, windows)
        if index is None or entity.end > windows[index].end:
            probabilities.append(None)
            continue
        shift = windows[index].start
        shifted = Entity(entity.start - shift, entity.end - shift, entity.type, 0.0)
        probabilities.append(model.head.confidences(passes[index].scores, passes[index].text, [[shifted]])[0][0])
    return probabilities
