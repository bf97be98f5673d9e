"""`hvp components`: list installed components and their sources."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer

from hvpkit.cli import output
from hvpkit.cli.completion import complete_kind
from hvpkit.config.recipe import to_plain
from hvpkit.errors import InputError, did_you_mean
from hvpkit.registry import KINDS, Component, load_registry


@dataclass(frozen=True)
class OptionFacts:
    """One option of a component.

    Attributes:
        required: Whether it has no default.
        default: Default as a plain value.
    """

    required: bool
    default: object = None


@dataclass(frozen=True)
class ComponentFacts:
    """One component as listed by the command.

    Attributes:
        kind: Kind of component.
        name: Name in recipes.
        summary: First line of the docstring of its factory.
        options: Options by name.
        needs: What it needs from other components.
        provides: What it provides to other components.
        tasks: Tasks that it supports.
        source: Package or plugin file that it comes from.
    """

    kind: str
    name: str
    summary: str
    options: dict[str, OptionFacts]
    needs: frozenset[str]
    provides: frozenset[str]
    tasks: tuple[str, ...]
    source: str


def command(
    kind: Annotated[
        str | None,
        typer.Argument(
            help=f"List only this kind: {', '.join(KINDS)}.", show_default=False, autocompletion=complete_kind
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    plugin: Annotated[
        list[Path] | None, typer.Option("--plugin", metavar="FILE", help="Plugin file to load.", show_default=False)
    ] = None,
) -> None:
    """List the components that recipes can name.

    Example: `hvp components gate --plugin my_gate.py`
    """
    listed = list_components(kind, plugin or [])
    if as_json:
        output.print_json(listed)
        return
    for group, components in groupby(listed, key=lambda c: c.kind):
        rows = [(c.name, c.summary, options_text(c.options), c.source) for c in components]
        output.print_table(("name", "what", "options", "from"), rows, title=group)


def list_components(kind: str | None, plugins: Sequence[Path]) -> list[ComponentFacts]:
    """List components of one kind or of all kinds.

    Args:
        kind: Kind, in any case, with hyphens or in the plural; None: all kinds.
        plugins: Plugin files to load.

    Raises:
        InputError: "unknown-component-kind".
        ComponentError: If a plugin cannot be loaded.
    """
    only = _parse_kind(kind) if kind else None
    return [_component_facts(c) for c in load_registry(plugins).components() if only in (None, c.kind)]


def _parse_kind(text: str) -> str:
    name = text.lower().replace("-", " ").replace("_", " ").removesuffix("s")
    if name not in KINDS:
        raise InputError("unknown-component-kind", kind=text, hint=did_you_mean(name, KINDS))
    return name


def _component_facts(c: Component) -> ComponentFacts:
    options = {name: _option_facts(parameter) for name, parameter in c.options.items()}
    return ComponentFacts(c.kind, c.name, c.summary, options, c.needs, c.provides, c.tasks, c.source)


def _option_facts(parameter: inspect.Parameter) -> OptionFacts:
    if parameter.default is inspect.Parameter.empty:
        return OptionFacts(required=True)
    return OptionFacts(required=False, default=json.loads(json.dumps(to_plain(parameter.default), default=repr)))


def options_text(options: Mapping[str, OptionFacts]) -> str:
    """Format options with their defaults as in a recipe, such as `slope=0.01, size=null`."""
    return ", ".join(
        f"{name} (required)" if option.required else f"{name}={_format_default(option.default)}"
        for name, option in options.items()
    )


def _format_default(default: object) -> str:
    return default if isinstance(default, str) else json.dumps(default)
