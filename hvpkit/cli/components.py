"""`hvp components`: what is installed, and from where."""

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
from hvpkit.config.recipe import to_plain
from hvpkit.errors import InputError, did_you_mean
from hvpkit.registry import KINDS, Component, load_registry


@dataclass(frozen=True)
class OptionFacts:
    """One option of a component; one without a default must be given."""

    required: bool
    default: object = None


@dataclass(frozen=True)
class ComponentFacts:
    """One component as the command shows it."""

    kind: str
    name: str
    summary: str
    options: dict[str, OptionFacts]
    needs: frozenset[str]
    provides: frozenset[str]
    tasks: tuple[str, ...]
    source: str


def command(
    kind: Annotated[str | None, typer.Argument(help=f"Only this kind: {', '.join(KINDS)}.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    plugin: Annotated[list[Path] | None, typer.Option("--plugin", metavar="FILE", help="Load a plugin file.", show_default=False)] = None,
) -> None:
    """List the components that recipes can name.

    Example: `hvp components gate --plugin my_gate.py`
    """
    found = list_components(kind, plugin or [])
    if as_json:
        output.print_json(found)
        return
    for group, components in groupby(found, key=lambda c: c.kind):
        rows = [(c.name, c.summary, options_text(c.options), c.source) for c in components]
        output.print_table(("name", "what", "options", "from"), rows, title=group)


def list_components(kind: str | None, plugins: Sequence[Path]) -> list[ComponentFacts]:
    """List components of one kind or all; raises InputError for an unknown kind, ComponentError for a plugin that fails."""
    wanted = _kind(kind) if kind else None
    return [_facts(c) for c in load_registry(plugins).components() if wanted in (None, c.kind)]


def _kind(given: str) -> str:
    name = given.lower().replace("-", " ").replace("_", " ").removesuffix("s")
    if name not in KINDS:
        raise InputError("unknown-component-kind", kind=given, hint=did_you_mean(name, KINDS))
    return name


def _facts(c: Component) -> ComponentFacts:
    options = {name: _option(parameter) for name, parameter in c.options.items()}
    return ComponentFacts(c.kind, c.name, c.summary, options, c.needs, c.provides, c.tasks, c.source)


def _option(parameter: inspect.Parameter) -> OptionFacts:
    if parameter.default is inspect.Parameter.empty:
        return OptionFacts(required=True)
    return OptionFacts(required=False, default=json.loads(json.dumps(to_plain(parameter.default), default=repr)))


def options_text(options: Mapping[str, OptionFacts]) -> str:
    """Write options as a recipe would: `slope=0.01, size=null`."""
    return ", ".join(f"{name} (required)" if option.required else f"{name}={_yaml(option.default)}" for name, option in options.items())


def _yaml(default: object) -> str:
    return default if isinstance(default, str) else json.dumps(default)
