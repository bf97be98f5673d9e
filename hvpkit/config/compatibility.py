"""Do a recipe's components exist, take the options it gives, and fit together? Told from the registry alone (no torch here)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from inspect import Parameter
from typing import Any

from hvpkit.config.option_types import validate_option
from hvpkit.config.recipe import Recipe
from hvpkit.errors import ComponentError, did_you_mean
from hvpkit.messages import LocatedMessage, Message
from hvpkit.registry import Component, Registry

CompatibilityProblem = tuple[tuple[str, ...], Message]  # the key that it is about, and what is wrong


@dataclass(frozen=True)
class _Use:
    """One component that a recipe names: in `section`, under the key `called`; `component` is None when there is none of that name."""

    kind: str
    name: str
    section: tuple[str, ...]
    called: str
    options: Mapping[str, Any]
    component: Component | None

    @property
    def key(self) -> tuple[str, ...]:
        return (*self.section, self.called)


def check_compatibility(recipe: Recipe, registry: Registry) -> None:
    """Refuse what cannot compose; raises ComponentError with every problem, and where it was written."""
    problems = compatibility_problems(recipe, registry)
    if problems:
        located = [LocatedMessage(recipe.source_locations.location(*key), message) for key, message in problems]
        raise ComponentError("components-do-not-fit", problems=located)


def compatibility_problems(recipe: Recipe, registry: Registry) -> list[CompatibilityProblem]:
    """List what is wrong with a recipe's components: each as the key that it is about, and a message that says what would fit."""
    uses = {use.kind: use for use in _uses(recipe, registry)}
    alone = [problem for use in uses.values() for problem in _part_problems(use, recipe, registry)]
    return [*alone, *_flow_problems(uses, recipe, registry), *_reader_problems(recipe, registry)]


def named_components(recipe: Recipe) -> list[tuple[str, str]]:
    """List the components that a recipe names, each as (kind, name)."""
    vision, fusion = recipe.vision, recipe.fusion
    found = [("text encoder", recipe.text.encoder), ("fusion", fusion.name), ("head", recipe.head.name)]
    found += [("visual backbone", vision.backbone)] if vision else []
    found += [("detector", recipe.data.objects.detector.name)] if recipe.data.objects else []
    return found + [(kind, part.name) for kind, part in (("projector", fusion.projector), ("gate", fusion.gate)) if part]


def component_sources(recipe: Recipe, registry: Registry) -> dict[str, str]:
    """Tell where each component of a recipe, `kind name`, comes from; raises ComponentError when one is not installed."""
    return {f"{kind} {name}": registry.get(kind, name).source for kind, name in named_components(recipe)}


def component_plugins(recipe: Recipe, registry: Registry) -> dict[str, str]:
    """Tell where the components that are not hvpkit's own come from; raises ComponentError when one is not installed."""
    return {component: source for component, source in component_sources(recipe, registry).items() if not source.startswith("hvpkit ")}


def _uses(recipe: Recipe, registry: Registry) -> Iterator[_Use]:
    def use(kind: str, name: str, section: tuple[str, ...], called: str, options: Mapping[str, Any]) -> _Use:
        return _Use(kind, name, section, called, options, registry.get(kind, name) if name in registry.names(kind) else None)

    text, vision, fusion = recipe.text, recipe.vision, recipe.fusion
    parts = {kind: part for kind, part in (("projector", fusion.projector), ("gate", fusion.gate)) if part}
    yield use("text encoder", text.encoder, ("text",), "encoder", ({"name": text.name} if text.name else {}) | text.options)
    if vision:
        yield use("visual backbone", vision.backbone, ("vision",), "backbone", {"weights": vision.weights} | vision.options)
    yield use("fusion", fusion.name, ("fusion",), "name", parts | fusion.options)
    for kind, part in parts.items():
        yield use(kind, part.name, ("fusion", kind), "name", part.options)
    yield use("head", recipe.head.name, ("head",), "name", recipe.head.options)
    if recipe.data.objects:
        detector = recipe.data.objects.detector
        yield use("detector", detector.name, ("data", "objects", "detector"), "name", detector.options)


def _part_problems(use: _Use, recipe: Recipe, registry: Registry) -> Iterator[CompatibilityProblem]:
    """Find what is wrong with one component by itself: its name, its task, its options."""
    if use.component is None:
        yield use.key, Message("unknown-component", kind=use.kind, name=use.name, hint=did_you_mean(use.name, registry.names(use.kind)))
        return
    if recipe.task not in use.component.tasks:
        fits = [c.name for c in _all(registry, use.kind) if recipe.task in c.tasks]
        yield use.key, _wrong_task(use.kind, use.component, recipe, _fitting(use.kind, fits))
    known = use.component.options
    for option, value in use.options.items():
        if option not in known:
            yield (*use.section, option), _no_option(use, option, registry)
        elif wrong := validate_option(use.component, known[option], value):
            yield (*use.section, option), wrong
    for option, parameter in known.items():
        if parameter.default is Parameter.empty and option not in use.options:
            names = _fitting(option, registry.names(option)) if option in ("projector", "gate") else ""
            yield use.key, Message("missing-option", kind=use.kind, name=use.name, option=option, hint=names)


def _wrong_task(kind: str, component: Component, recipe: Recipe, hint: Message) -> Message:
    return Message("wrong-task", kind=kind, name=component.name, tasks=list(component.tasks), task=recipe.task, hint=hint)


def _no_option(use: _Use, option: str, registry: Registry) -> Message:
    known = use.component.options if use.component else {}
    if use.kind == "fusion" and option in ("projector", "gate"):
        fits = [c.name for c in _all(registry, "fusion") if option in c.options]
        return Message("fusion-lacks-part", fusion=use.name, option=option, names=fits)
    if (use.kind, option) == ("visual backbone", "weights"):
        return Message("no-weights-option", name=use.name)
    hint = did_you_mean(option, known) if known else ": it has none at all"
    return Message("unknown-option", kind=use.kind, name=use.name, option=option, hint=hint)


def _flow_problems(uses: dict[str, _Use], recipe: Recipe, registry: Registry) -> Iterator[CompatibilityProblem]:
    """Find neighbours that do not fit: follow what is given from the images and the text encoder to the head."""
    text, fusion, head = (uses[kind].component for kind in ("text encoder", "fusion", "head"))
    if fusion:
        yield from _image_problems(fusion, recipe, registry)
    if fusion and text:
        for need in sorted(fusion.needs - {"images"} - text.provides):
            fits = [c.name for c in _all(registry, "text encoder") if need in c.provides]
            hint = _fitting("text encoder", fits)
            yield ("fusion",), Message("fusion-needs", fusion=fusion.name, need=need, encoder=text.name, hint=hint)
    if fusion and text and head:
        yield from _head_problems(text, fusion, head, recipe, registry)
    if recipe.vision and recipe.mixes_images_in_heads and recipe.vision.missing == "mask":
        yield ("fusion", "head_layout"), Message("missing-images-unmasked")
    if fusion and "emissions" in fusion.provides and recipe.tags_wordpieces:
        yield ("head", "labels"), Message("emissions-of-words", fusion=fusion.name)


def _head_problems(
    text: Component, fusion: Component, head: Component, recipe: Recipe, registry: Registry
) -> Iterator[CompatibilityProblem]:
    giver = fusion if fusion.provides else text
    heads = [c.name for c in _all(registry, "head") if c.needs <= giver.provides and recipe.task in c.tasks]
    fusions = [c.name for c in _all(registry, "fusion") if head.needs <= (c.provides or text.provides)]
    for need in sorted(head.needs - giver.provides):
        has = sorted(giver.provides - {"prefix"}) or ["nothing"]
        hint = _fitting("head", heads) if heads or not fusions else _fitting("fusion", fusions)
        yield ("head",), Message("head-needs", head=head.name, need=need, kind=giver.kind, name=giver.name, found=has, hint=hint)


def _image_problems(fusion: Component, recipe: Recipe, registry: Registry) -> Iterator[CompatibilityProblem]:
    with_images = [c.name for c in _all(registry, "fusion") if "images" in c.needs]
    without = [c.name for c in _all(registry, "fusion") if "images" not in c.needs]
    if fusion.name in with_images and recipe.vision is None:
        yield ("fusion",), Message("fusion-needs-vision", fusion=fusion.name, names=without)
    if fusion.name in without and recipe.vision is not None:
        yield ("vision",), Message("vision-unused", fusion=fusion.name, names=with_images)


def _reader_problems(recipe: Recipe, registry: Registry) -> Iterator[CompatibilityProblem]:
    reader = next((c for c in _all(registry, "reader") if c.name == recipe.data.name), None)
    if reader and recipe.task not in reader.tasks:
        fits = [c.name for c in _all(registry, "reader") if recipe.task in c.tasks]
        yield ("data", "name"), _wrong_task("data", reader, recipe, _fitting("dataset", fits))


def _all(registry: Registry, kind: str) -> list[Component]:
    return [registry.get(kind, name) for name in registry.names(kind)]


def _fitting(kind: str, names: list[str]) -> Message:
    return Message("fitting-components", kind=kind, names=names) if names else Message("nothing-fits", kind=kind)
