"""Do a recipe's components exist, take the options it gives, and fit together? Told from the registry alone (no torch here)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from inspect import Parameter
from typing import TYPE_CHECKING, Any

from hvpkit.errors import ComponentError, choices
from hvpkit.option_types import type_problem
from hvpkit.registry import Component, Registry

if TYPE_CHECKING:
    from hvpkit.recipe import Recipe

Problem = tuple[tuple[str, ...], str]  # the key that it is about, and a sentence


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


def check_composition(recipe: Recipe, registry: Registry) -> None:
    """Refuse what cannot compose; raises ComponentError with every problem, one sentence each, and where it was written."""
    problems = composition_problems(recipe, registry)
    if problems:
        raise ComponentError("\n".join(f"{recipe.origin.of(*key)}: {sentence}" for key, sentence in problems))


def composition_problems(recipe: Recipe, registry: Registry) -> list[Problem]:
    """List what is wrong with a recipe's components: each as the key that it is about, and a sentence that says what would fit."""
    uses = {use.kind: use for use in _uses(recipe, registry)}
    alone = [problem for use in uses.values() for problem in _part_problems(use, recipe, registry)]
    return [*alone, *_flow_problems(uses, recipe, registry), *_reader_problems(recipe, registry)]


def named_components(recipe: Recipe) -> list[tuple[str, str]]:
    """List the components that a recipe names, each as (kind, name)."""
    vision, fusion = recipe.vision, recipe.fusion
    found = [("text encoder", recipe.text.encoder), ("fusion", fusion.name), ("head", recipe.head.name)]
    found += [("visual backbone", vision.backbone)] if vision else []
    found += [("proposer", recipe.data.objects.proposer.name)] if recipe.data.objects else []
    return found + [(kind, part.name) for kind, part in (("projector", fusion.projector), ("gate", fusion.gate)) if part]


def sources_of(recipe: Recipe, registry: Registry) -> dict[str, str]:
    """Tell where each component of a recipe, `kind name`, comes from; raises ComponentError when one is not installed."""
    return {f"{kind} {name}": registry.get(kind, name).source for kind, name in named_components(recipe)}


def plugins_of(recipe: Recipe, registry: Registry) -> dict[str, str]:
    """Tell where the components that are not hvpkit's own come from; raises ComponentError when one is not installed."""
    return {component: source for component, source in sources_of(recipe, registry).items() if not source.startswith("hvpkit ")}


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
        proposer = recipe.data.objects.proposer
        yield use("proposer", proposer.name, ("data", "objects", "proposer"), "name", proposer.options)


def _part_problems(use: _Use, recipe: Recipe, registry: Registry) -> Iterator[Problem]:
    """Find what is wrong with one component by itself: its name, its task, its options."""
    if use.component is None:
        yield use.key, f"unknown {use.kind} {use.name!r}{choices(use.name, registry.names(use.kind))}"
        return
    if recipe.task not in use.component.tasks:
        fits = [c.name for c in _all(registry, use.kind) if recipe.task in c.tasks]
        yield use.key, f"{use.kind} {use.name!r} is for {' and '.join(use.component.tasks)}, not {recipe.task}{_fitting(use.kind, fits)}"
    known = use.component.options
    for option, value in use.options.items():
        if option not in known:
            yield (*use.section, option), _no_option(use, option, registry)
        elif wrong := type_problem(use.component, known[option], value):
            yield (*use.section, option), f"option {option} of {use.kind} {use.name!r} {wrong}"
    for option, parameter in known.items():
        if parameter.default is Parameter.empty and option not in use.options:
            names = _fitting(option, registry.names(option)) if option in ("projector", "gate") else ""
            yield use.key, f"{use.kind} {use.name!r} needs the option {option}{names}"


def _no_option(use: _Use, option: str, registry: Registry) -> str:
    known = use.component.options if use.component else {}
    if use.kind == "fusion" and option in ("projector", "gate"):
        fits = [c.name for c in _all(registry, "fusion") if option in c.options]
        return f"fusion {use.name!r} has no {option}: leave it out{_or('take a fusion that has one', fits)}"
    if (use.kind, option) == ("visual backbone", "weights"):
        return f"visual backbone {use.name!r} has no option 'weights', which every backbone is given: let its factory take it"
    return f"{use.kind} {use.name!r} has no option {option!r}{choices(option, known) if known else ': it has none at all'}"


def _flow_problems(uses: dict[str, _Use], recipe: Recipe, registry: Registry) -> Iterator[Problem]:
    """Find neighbours that do not fit: follow what is given from the pictures and the text encoder to the head."""
    text, fusion, head = (uses[kind].component for kind in ("text encoder", "fusion", "head"))
    if fusion:
        yield from _picture_problems(fusion, recipe, registry)
    if fusion and text:
        for need in sorted(fusion.needs - {"pictures"} - text.provides):
            fits = [c.name for c in _all(registry, "text encoder") if need in c.provides]
            sentence = f"fusion {fusion.name!r} needs {need}, which text encoder {text.name!r} does not give"
            yield ("fusion",), sentence + _fitting("text encoder", fits)
    if fusion and text and head:
        yield from _head_problems(text, fusion, head, recipe, registry)
    if recipe.vision and recipe.mixes_pictures and recipe.vision.missing == "mask":
        mixed = "`heads: rows` gives a head positions of several pictures"
        yield ("fusion", "heads"), f"{mixed}, so a missing one cannot be masked: set vision.missing to zeros"
    if fusion and "emissions" in fusion.provides and recipe.tags_pieces:
        yield (
            ("head", "labels"),
            f"fusion {fusion.name!r} has its say on the tags of words, the head tags pieces: leave `labels: pieces` out",
        )


def _head_problems(text: Component, fusion: Component, head: Component, recipe: Recipe, registry: Registry) -> Iterator[Problem]:
    giver = fusion if fusion.provides else text
    heads = [c.name for c in _all(registry, "head") if c.needs <= giver.provides and recipe.task in c.tasks]
    fusions = [c.name for c in _all(registry, "fusion") if head.needs <= (c.provides or text.provides)]
    for need in sorted(head.needs - giver.provides):
        has = " and ".join(sorted(giver.provides - {"prefix"})) or "nothing"
        fitting = _fitting("head", heads) if heads or not fusions else _fitting("fusion", fusions)
        yield ("head",), f"head {head.name!r} needs {need}, but {giver.kind} {giver.name!r} gives {has}{fitting}"


def _picture_problems(fusion: Component, recipe: Recipe, registry: Registry) -> Iterator[Problem]:
    with_pictures = [c.name for c in _all(registry, "fusion") if "pictures" in c.needs]
    without = [c.name for c in _all(registry, "fusion") if "pictures" not in c.needs]
    if fusion.name in with_pictures and recipe.vision is None:
        yield ("fusion",), f"fusion {fusion.name!r} needs pictures: add a vision section{_or('take a fusion of text alone', without)}"
    if fusion.name in without and recipe.vision is not None:
        yield ("vision",), f"fusion {fusion.name!r} makes no use of pictures: leave vision out{_or('take one that does', with_pictures)}"


def _reader_problems(recipe: Recipe, registry: Registry) -> Iterator[Problem]:
    reader = next((c for c in _all(registry, "reader") if c.name == recipe.data.name), None)
    if reader and recipe.task not in reader.tasks:
        fits = [c.name for c in _all(registry, "reader") if recipe.task in c.tasks]
        yield ("data", "name"), f"data {reader.name!r} is for {' and '.join(reader.tasks)}, not {recipe.task}{_fitting('dataset', fits)}"


def _all(registry: Registry, kind: str) -> list[Component]:
    return [registry.get(kind, name) for name in registry.names(kind)]


def _fitting(kind: str, names: list[str]) -> str:
    return f"; a {kind} that fits: {', '.join(names)}" if names else f"; no installed {kind} fits"


def _or(advice: str, names: list[str]) -> str:
    return f", or {advice} ({', '.join(names)})" if names else ""
