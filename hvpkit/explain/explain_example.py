"""Explain the prediction of a model for one text with its images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from hvpkit.batching import Batcher
from hvpkit.errors import InputError
from hvpkit.explain.attention import AttentionByWord
from hvpkit.explain.counterfactual_effects import counterfactual_results
from hvpkit.explain.counterfactuals import ReplacementImage, counterfactuals
from hvpkit.explain.explanation import Decision, Explanation, GateWeights, MentionAttention, ModelImage, layer_groups
from hvpkit.explain.trace import TracedWindow, merge_traces, trace_batch
from hvpkit.images.regions import ImageRegion
from hvpkit.inference.decode import WindowedPrediction
from hvpkit.inference.engine import InferenceEngine, caching_batcher
from hvpkit.inference.inputs import ParsedInput
from hvpkit.inference.predictor import Predictor, build_prediction
from hvpkit.labels.gold import gold_labels
from hvpkit.records.sentence import char_span
from hvpkit.types import Example, Relation, Span, VisualObject

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
    with caching_batcher(predictor.model, predictor.batcher) as batcher:
        return _explain(InferenceEngine(predictor.model, batcher, batch_size=BATCH_SIZE), parsed, replacement)


def _explain(engine: InferenceEngine, parsed: ParsedInput, replacement: ReplacementImage | None) -> Explanation:
    example, batcher = parsed.example, engine.batcher
    [result] = engine.run([example], trace_batch)
    if isinstance(result, InputError):
        raise result
    merged = merge_traces(result)
    prediction = build_prediction(parsed, merged)
    traced, images = result.values[0], model_images(example, result.windows[0][1].regions, batcher)
    present = [v for v, image in enumerate(images) if image is not None]
    attention = AttentionByWord(result, len(images), present)
    num_words = len(parsed.words) if present and traced.attention is not None else 0  # words that attend to images
    variants = list(counterfactuals(example, batcher, replacement))
    return Explanation(
        id=example.id,
        prediction=prediction,
        words=parsed.words,
        images=tuple(image for image in images if image is not None),
        mentions=tuple(_mentions(merged, parsed, attention)),
        decisions=_decisions(merged),
        counterfactuals=tuple(counterfactual_results(engine, variants, parsed, merged, present)),
        image=example.image,
        groups=layer_groups(_num_layers(traced) if present else 0),
        attention=tuple(attention.for_words(word, word + 1) for word in range(num_words)),
        gates=_gates(traced.gates, present, traced.level_name),
        grid=batcher.recipe.vision.grid if batcher.recipe.vision else 1,
        cells_are_spatial=traced.cells_are_spatial,
        gold=gold_label_texts(example, parsed),
        extra_tensors={name: tensor.tolist() for name, tensor in traced.extra_tensors.items()},
        notes=prediction.notes,
    )


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
        *(["full image"] if vision.full_image else []),
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
        return ModelImage(name, "full image", region.image, region.box, region.normalized_box)
    is_placed = visual_object.box is not None and example.image is not None
    box = region.normalized_box if is_placed else None
    return ModelImage(name, "object", region.image, region.box, box, visual_object.phrase, visual_object.score)


def _num_layers(traced: TracedWindow) -> int:
    if traced.attention is not None:
        return len(traced.attention)
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
