"""Explaining what a model says of one text with its pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from hvpkit.batching import Batcher
from hvpkit.errors import InputError
from hvpkit.explain.attention import Looking, window_of
from hvpkit.explain.counterfactuals import OtherPicture, Variant, variants
from hvpkit.explain.explanation import Change, Decision, Effect, Explanation, Gates, Mentioned, SeenPicture, layer_groups
from hvpkit.explain.trace import Pass, traced
from hvpkit.features.cache import PyramidCache
from hvpkit.images.regions import View
from hvpkit.inference.engine import Answer, Part, join, look, read_windows
from hvpkit.inference.inputs import Reading, characters_of
from hvpkit.inference.predictor import Predictor, prediction_of, text_entity
from hvpkit.labels.gold import answers_of
from hvpkit.model.model import Model
from hvpkit.types import Entity, Example, Relation, Span, VisualObject

BATCH = 8


@torch.no_grad()
def explain(predictor: Predictor, reading: Reading, other: OtherPicture | None = None) -> Explanation:
    """Explain one reading: the prediction that `predict` gives, what the model saw on the way to it, and what changes would do to it.

    Raises InputError for what cannot be predicted.
    """
    model, batcher, example = predictor.model, predictor.batcher, reading.example
    parts = _raised(read_windows(batcher, example))
    passes = _passes(model, batcher, [parts])[0]
    answer = join(parts, [seen.decoded for seen in passes])
    prediction = prediction_of(reading, answer)
    if isinstance(prediction, InputError):
        raise prediction
    seen, pictures = passes[0], seen_pictures(example, parts[0][1].views, batcher)
    shown = [v for v, picture in enumerate(pictures) if picture is not None]
    looking = Looking([window for window, _ in parts], passes, len(pictures), shown)
    return Explanation(
        id=example.id,
        prediction=prediction,
        words=reading.words,
        pictures=tuple(picture for picture in pictures if picture is not None),
        mentions=tuple(_mentions(answer, reading, looking)),
        decisions=_decisions(answer),
        changes=tuple(_changes(predictor, reading, answer, shown, other)),
        image=example.image,
        groups=layer_groups(_layers(seen) if shown else 0),
        looks=tuple(looking.of(word, word + 1) for word in range(len(reading.words))) if shown and seen.looks is not None else (),
        gates=_gates(seen.gates, shown, seen.level_name),
        grid=batcher.recipe.vision.grid if batcher.recipe.vision else 1,
        cells_are_places=seen.cells_are_places,
        gold=gold_of(example, reading),
        named={name: tensor.tolist() for name, tensor in seen.named.items()},
        remarks=prediction.remarks,
    )


def _raised(parts: list[Part] | InputError) -> list[Part]:
    if isinstance(parts, InputError):
        raise parts
    return parts


def _passes(model: Model, batcher: Batcher, pieces: Sequence[list[Part] | InputError]) -> list[list[Pass]]:
    found = []
    for passes in look(model, batcher, pieces, BATCH, traced):
        if isinstance(passes, InputError):
            raise passes
        found.append(passes)
    return found


# ---------------------------------------------------------------------------------------------------------- what was there
def seen_pictures(example: Example, views: Sequence[View | None], batcher: Batcher) -> list[SeenPicture | None]:
    """Give the V pictures in the model's order, None for those that are missing."""
    vision = batcher.recipe.vision
    if vision is None or not any(views):
        return [None] * len(views)
    names = [*(["whole picture"] if vision.whole else []), *(f"object {number + 1}" for number in range(vision.objects))]
    things: list[VisualObject | None] = [*([None] if vision.whole else []), *example.objects[: vision.objects]]
    things += [None] * (len(views) - len(things))
    blanks = vision.missing == "zeros"
    return [
        _picture(name, view, thing, example)
        if view is not None
        else SeenPicture(name, "blank") if blanks else None
        for name, view, thing in zip(names, views, things, strict=True)
    ]  # fmt: skip


def _picture(name: str, view: View, thing: VisualObject | None, example: Example) -> SeenPicture:
    if thing is None:
        return SeenPicture(name, "whole", view.file, view.box, view.place)
    place = view.place if thing.box is not None and example.image is not None else None
    return SeenPicture(name, "object", view.file, view.box, place, thing.phrase, thing.score)


def _layers(seen: Pass) -> int:
    return len(seen.looks) if seen.looks is not None else 0 if seen.gates is None else seen.gates.shape[1]


def _gates(gates: Tensor | None, shown: Sequence[int], level_name: str) -> Gates | None:
    if gates is None or not shown:
        return None
    weights = gates[list(shown)].tolist()
    return Gates(tuple(tuple(tuple(row) for row in picture) for picture in weights), level_name)


def gold_of(example: Example, reading: Reading) -> tuple[str, ...]:
    """Say what is known to be right: each entity with its type, or the relation; nothing where that is not known."""
    if example.relation is not None:
        return (example.relation,)
    if example.tags is None:
        return ()
    return tuple(f"{characters_of(spans[0], reading.text, reading.words).text}: {label}" for spans, label in answers_of(example))


# ------------------------------------------------------------------------------------------------------------ what was said
def _mentions(answer: Answer, reading: Reading, looking: Looking) -> Iterator[Mentioned]:
    example = reading.example
    spans = {"head": example.head, "tail": example.tail} if isinstance(answer.found, Relation) else {}
    asked = [(role, span) for role, span in spans.items() if span is not None]
    asked += [(e.type, Span(e.start, e.end)) for e in answer.found] if isinstance(answer.found, list) else []
    for role, span in asked:
        yield Mentioned(role, characters_of(span, reading.text, reading.words), span, looking.of(span.start, span.end))


def _decisions(answer: Answer) -> tuple[Decision, ...]:
    if isinstance(answer.found, Relation):
        return (Decision(answer.found.label, answer.found.confidence),)
    return tuple(Decision(entity.type, entity.confidence, number) for number, entity in enumerate(answer.found))


# ------------------------------------------------------------------------------------------------------- what would change
def _changes(predictor: Predictor, reading: Reading, before: Answer, shown: Sequence[int], other: OtherPicture | None) -> Iterator[Change]:
    model, recipe = predictor.model, predictor.folder.recipe
    if model.vision is None or recipe.vision is None:
        return
    batcher = Batcher(model, recipe, PyramidCache(model.vision))  # each picture is looked at once
    found = list(variants(reading.example, batcher, recipe.vision, other))
    pieces = [variant.parts(batcher) for variant in found]
    for variant, parts, passes in zip(found, pieces, _passes(model, batcher, pieces), strict=True):
        yield _change(variant, reading, before, parts, passes, model, shown)


def _change(
    variant: Variant, reading: Reading, before: Answer, parts: Sequence[Part], passes: Sequence[Pass], model: Model, shown: Sequence[int]
) -> Change:
    after = join(parts, [seen.decoded for seen in passes])
    picture = None if variant.picture is None else shown.index(variant.picture)
    if isinstance(before.found, Relation) and isinstance(after.found, Relation):
        was, now = before.found, after.found
        effect = Effect(was.confidence, dict(now.probabilities)[was.label], now.label, was.label != now.label)
        return Change(variant.kind, variant.name, picture, (effect,))
    was_found, now_found = _entities(before), _entities(after)
    confidences = entity_confidences(model, parts, passes, was_found)
    effects = tuple(_effect(entity, after, now_found) for entity, after in zip(was_found, confidences, strict=True))
    known = {(e.start, e.end) for e in was_found}
    appears = tuple(text_entity(entity, reading) for entity in now_found if (entity.start, entity.end) not in known)
    return Change(variant.kind, variant.name, picture, effects, appears)


def _entities(answer: Answer) -> list[Entity]:
    return answer.found if isinstance(answer.found, list) else []


def _effect(entity: Entity, after: float | None, now: Sequence[Entity]) -> Effect:
    becomes = next((other.type for other in now if (other.start, other.end) == (entity.start, entity.end)), None)
    return Effect(entity.confidence, after, becomes, becomes != entity.type)


def entity_confidences(model: Model, parts: Sequence[Part], passes: Sequence[Pass], entities: Sequence[Entity]) -> list[float | None]:
    """Give the probability of each entity, found or not, in the window that answers for it."""
    windows = [window for window, _ in parts]
    found: list[float | None] = []
    for entity in entities:
        part = window_of(entity.start, windows)
        if part is None or entity.end > windows[part].end:
            found.append(None)
            continue
        shift = windows[part].start
        own = Entity(entity.start - shift, entity.end - shift, entity.type, 0.0)
        found.append(model.head.confidences(passes[part].scores, passes[part].text, [[own]])[0][0])
    return found
