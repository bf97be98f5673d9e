"""Check that a recipe's components exist, accept their options and are compatible, without building them."""

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

CompatibilityProblem = tuple[tuple[str, ...], Message]  # recipe key, description


@dataclass(frozen=True)
class _ComponentUse:
    """One component as a recipe uses it.

    Attributes:
        kind: Kind of component.
        name: Name of the component.
        section: Recipe section that names it.
        key_name: Key of the section under which it is named.
        options: Its options in the recipe.
        component: The registered component; None if there is none of this name.
    """

    kind: str
    name: str
    section: tuple[str, ...]
    key_name: str
    options: Mapping[str, Any]
    component: Component | None

    @property
    def key(self) -> tuple[str, ...]:
        return (*self.section, self.key_name)


def check_compatibility(recipe: Recipe, registry: Registry) -> None:
    """Check that the components of a recipe exist and are compatible.

    Raises:
        ComponentError: "components-do-not-fit" with every problem and its location.
    """
    problems = compatibility_problems(recipe, registry)
    if problems:
        located = [LocatedMessage(recipe.source_locations.location(*key), message) for key, message in problems]
        raise ComponentError("components-do-not-fit", problems=located)


def compatibility_problems(recipe: Recipe, registry: Registry) -> list[CompatibilityProblem]:
    """List problems of a recipe's components, each as the recipe key and a message that lists alternatives."""
    uses = {use.kind: use for use in _component_uses(recipe, registry)}
    problems = [problem for use in uses.values() for problem in _component_problems(use, recipe, registry)]
    return [*problems, *_requirement_problems(uses, recipe, registry), *_reader_problems(recipe, registry)]


def named_components(recipe: Recipe) -> list[tuple[str, str]]:
    """List the components that a recipe names as (kind, name)."""
    vision, fusion = recipe.vision, recipe.fusion
    components = [("text encoder", recipe.text.encoder), ("fusion", fusion.name), ("head", recipe.head.name)]
    components += [("visual backbone", vision.backbone)] if vision else []
    components += [("detector", recipe.data.objects.detector.name)] if recipe.data.objects else []
    optional = (("projector", fusion.projector), ("gate", fusion.gate))
    return components + [(kind, spec.name) for kind, spec in optional if spec]


def component_sources(recipe: Recipe, registry: Registry) -> dict[str, str]:
    """Map each component of a recipe, as `kind name`, to its source.

    Raises:
        ComponentError: If a component is not installed.
    """
    return {f"{kind} {name}": registry.get(kind, name).source for kind, name in named_components(recipe)}


def component_plugins(recipe: Recipe, registry: Registry) -> dict[str, str]:
    """Map each component of a recipe that belongs to a plugin, as `kind name`, to its source.

    Raises:
        ComponentError: If a component is not installed.
    """
    sources = component_sources(recipe, registry)
    return {component: source for component, source in sources.items() if not source.startswith("hvpkit ")}


def _component_uses(recipe: Recipe, registry: Registry) -> Iterator[_ComponentUse]:
    def build_use(
        kind: str, name: str, section: tuple[str, ...], key_name: str, options: Mapping[str, Any]
    ) -> _ComponentUse:
        component = registry.get(kind, name) if name in registry.names(kind) else None
        return _ComponentUse(kind, name, section, key_name, options, component)

    text, vision, fusion = recipe.text, recipe.vision, recipe.fusion
    specs = {kind: spec for kind, spec in (("projector", fusion.projector), ("gate", fusion.gate)) if spec}
    text_options = ({"name": text.name} if text.name else {}) | text.options
    yield build_use("text encoder", text.encoder, ("text",), "encoder", text_options)
    if vision:
        yield build_use(
            "visual backbone", vision.backbone, ("vision",), "backbone", {"weights": vision.weights} | vision.options
        )
    yield build_use("fusion", fusion.name, ("fusion",), "name", specs | fusion.options)
    for kind, spec in specs.items():
        yield build_use(kind, spec.name, ("fusion", kind), "name", spec.options)
    yield build_use("head", recipe.head.name, ("head",), "name", recipe.head.options)
    if recipe.data.objects:
        detector = recipe.data.objects.detector
        yield build_use("detector", detector.name, ("data", "objects", "detector"), "name", detector.options)


def _component_problems(use: _ComponentUse, recipe: Recipe, registry: Registry) -> Iterator[CompatibilityProblem]:
    """Check one component: its name, its tasks, its options."""
    if use.component is None:
        hint = did_you_mean(use.name, registry.names(use.kind))
        yield use.key, Message("unknown-component", kind=use.kind, name=use.name, hint=hint)
        return
    if recipe.task not in use.component.tasks:
        compatible = [c.name for c in _components(registry, use.kind) if recipe.task in c.tasks]
        yield use.key, _wrong_task_message(use.kind, use.component, recipe, _compatible_names(use.kind, compatible))
    known_options = use.component.options
    for option, value in use.options.items():
        if option not in known_options:
            yield (*use.section, option), _unknown_option_message(use, option, registry)
        elif problem := validate_option(use.component, known_options[option], value):
            yield (*use.section, option), problem
    for option, parameter in known_options.items():
        if parameter.default is Parameter.empty and option not in use.options:
            hint = _compatible_names(option, registry.names(option)) if option in ("projector", "gate") else ""
            yield use.key, Message("missing-option", kind=use.kind, name=use.name, option=option, hint=hint)


def _wrong_task_message(kind: str, component: Component, recipe: Recipe, hint: Message) -> Message:
    return Message(
        "wrong-task", kind=kind, name=component.name, tasks=list(component.tasks), task=recipe.task, hint=hint
    )


def _unknown_option_message(use: _ComponentUse, option: str, registry: Registry) -> Message:
    known = use.component.options if use.component else {}
    if use.kind == "fusion" and option in ("projector", "gate"):
        compatible = [c.name for c in _components(registry, "fusion") if option in c.options]
        return Message("fusion-lacks-part", fusion=use.name, option=option, names=compatible)
    if (use.kind, option) == ("visual backbone", "weights"):
        return Message("no-weights-option", name=use.name)
    hint = did_you_mean(option, known) if known else ": it has none at all"
    return Message("unknown-option", kind=use.kind, name=use.name, option=option, hint=hint)


def _requirement_problems(
    uses: dict[str, _ComponentUse], recipe: Recipe, registry: Registry
) -> Iterator[CompatibilityProblem]:
    """Check that the needs of fusion and head are provided by images, text encoder and fusion."""
    text, fusion, head = (uses[kind].component for kind in ("text encoder", "fusion", "head"))
    if fusion:
        yield from _image_requirement_problems(fusion, recipe, registry)
    if fusion and text:
        for need in sorted(fusion.needs - {"images"} - text.provides):
            compatible = [c.name for c in _components(registry, "text encoder") if need in c.provides]
            hint = _compatible_names("text encoder", compatible)
            yield ("fusion",), Message("fusion-needs", fusion=fusion.name, need=need, encoder=text.name, hint=hint)
    if fusion and text and head:
        yield from _head_requirement_problems(text, fusion, head, recipe, registry)
    if recipe.vision and recipe.mixes_images_in_heads and recipe.vision.missing == "mask":
        yield ("fusion", "head_layout"), Message("missing-images-unmasked")
    if fusion and "emissions" in fusion.provides and recipe.tags_wordpieces:
        yield ("head", "labels"), Message("emissions-of-words", fusion=fusion.name)
    if fusion and head and "emissions" in fusion.provides and "other-tags" in head.provides:
        yield ("head",), Message("emissions-of-labels", fusion=fusion.name, head=head.name)


def _head_requirement_problems(
    text: Component, fusion: Component, head: Component, recipe: Recipe, registry: Registry
) -> Iterator[CompatibilityProblem]:
    provider = fusion if fusion.provides else text
    heads = [c.name for c in _components(registry, "head") if c.needs <= provider.provides and recipe.task in c.tasks]
    fusions = [c.name for c in _components(registry, "fusion") if head.needs <= (c.provides or text.provides)]
    for need in sorted(head.needs - provider.provides):
        provided = sorted(provider.provides - {"prefix", "layers", "wordpieces"}) or ["nothing"]
        hint = _compatible_names("head", heads) if heads or not fusions else _compatible_names("fusion", fusions)
        names = {"head": head.name, "kind": provider.kind, "name": provider.name}
        yield ("head",), Message("head-needs", **names, need=need, found=provided, hint=hint)


def _image_requirement_problems(
    fusion: Component, recipe: Recipe, registry: Registry
) -> Iterator[CompatibilityProblem]:
    image_fusions = [c.name for c in _components(registry, "fusion") if "images" in c.needs]
    text_fusions = [c.name for c in _components(registry, "fusion") if "images" not in c.needs]
    if fusion.name in image_fusions and recipe.vision is None:
        yield ("fusion",), Message("fusion-needs-vision", fusion=fusion.name, names=text_fusions)
    if fusion.name in text_fusions and recipe.vision is not None:
        yield ("vision",), Message("vision-unused", fusion=fusion.name, names=image_fusions)


def _reader_problems(recipe: Recipe, registry: Registry) -> Iterator[CompatibilityProblem]:
    readers = [c for c in _components(registry, "reader") if "path" not in c.needs]  # formats name no dataset
    reader = next((c for c in readers if c.name == recipe.data.name), None)
    if reader and recipe.task not in reader.tasks:
        compatible = [c.name for c in readers if recipe.task in c.tasks]
        yield ("data", "name"), _wrong_task_message("data", reader, recipe, _compatible_names("dataset", compatible))


def _components(registry: Registry, kind: str) -> list[Component]:
    return [registry.get(kind, name) for name in registry.names(kind)]


def _compatible_names(kind: str, names: list[str]) -> Message:
    return Message("fitting-components", kind=kind, names=names) if names else Message("nothing-fits", kind=kind)
