"""Write the generated parts of the pages in docs/, each between `<!-- generated.

NAME -->` and `<!-- end -->` (`make docs`).
"""

from __future__ import annotations

import importlib
import inspect
import re
import string
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typer.models import ArgumentInfo, OptionInfo

from hvpkit.cli import COMMANDS, load_command
from hvpkit.cli.components import OptionFacts, list_components, options_text
from hvpkit.cli.recipes import list_recipes
from hvpkit.config.loading import shipped_recipes
from hvpkit.config.recipe import ComponentSpec, DataSpec, FusionSpec, TextSpec, TrainSpec, VisionSpec, to_plain
from hvpkit.messages import MODULES, Template, templates
from hvpkit.registry import load_registry

DOCS = Path(__file__).parent


def regenerated(text: str) -> str:
    """Return `text` with every generated part up to date; raises KeyError for an unknown part."""
    pattern = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
    return pattern.sub(lambda match: match[1] + "\n".join(PARTS[match[2]]()) + "\n" + match[3], text)


def commands() -> Iterator[str]:
    """List the commands with their usage."""
    rows = [(f"`hvp {name}{''.join(_words(load_command(name)))}`", _summary(load_command(name))) for name in COMMANDS]
    return _table(("command", "what it does"), rows)


def components() -> Iterator[str]:
    """List the components that come with hvpkit."""
    own = [c for c in list_components(None, []) if c.source.startswith("hvpkit ")]
    return _table(
        ("kind", "name", "what", "options"), [(c.kind, f"`{c.name}`", c.summary, options_text(c.options)) for c in own]
    )


def recipes() -> Iterator[str]:
    """List the recipes that come with hvpkit."""
    return _table(("recipe", "what"), [(f"`{r.name}`", r.about) for r in list_recipes(shipped_recipes())])


def settings() -> Iterator[str]:
    """List the sections of a recipe with their keys and defaults."""
    sections: dict[str, type[BaseModel]] = {
        "data": DataSpec,
        "text": TextSpec,
        "vision": VisionSpec,
        "fusion": FusionSpec,
        "head": ComponentSpec,
        "train": TrainSpec,
    }
    return _table(
        ("section", "what", "keys"), [(f"`{name}`", _summary(spec), _keys(spec)) for name, spec in sections.items()]
    )


def errors() -> Iterator[str]:
    """List the codes of all messages with their templates.

    A section for each part of hvpkit and one for the plugins that it ships.
    """
    for name in MODULES:
        module = importlib.import_module(f"hvpkit.messages.{name}")
        yield from _messages(name.replace("cli", "command line").capitalize(), _summary(module), module.TEMPLATES)
    load_registry()  # loads the plugins, which add their templates
    prefixes = tuple(
        f"{plugin.name}-" for plugin in entry_points(group="hvpkit") if plugin.value.startswith("hvpkit_plugins.")
    )
    added = {code: template for code, template in templates().items() if code.startswith(prefixes)}
    yield from _messages(
        "Plugins", "Messages of the plugins that come with hvpkit; each code begins with the plugin's name.", added
    )


PARTS = {"commands": commands, "components": components, "recipes": recipes, "settings": settings, "errors": errors}


def _messages(title: str, about: str, added: Mapping[str, Template]) -> Iterator[str]:
    yield from ("", f"## {title}", "", *textwrap.wrap(about, 118, break_on_hyphens=False), "")
    yield from _table(
        ("code", "message"), [(f"`{code}`", _plain(template.text)) for code, template in sorted(added.items())]
    )


def _plain(text: str) -> str:
    """Write a template with the bare names of its fields, in one line, without characters that Markdown reads."""
    parts = ((re.sub(r"([<*])", r"\\\1", literal), name) for literal, name, _, _ in string.Formatter().parse(text))
    return " ".join("".join(literal + (f"{{{name}}}" if name else "") for literal, name in parts).split())


def _keys(spec: type[BaseModel]) -> str:
    fields = {field.alias or name: field for name, field in spec.model_fields.items() if name != "options"}
    facts = {name: OptionFacts(field.is_required(), _default(field)) for name, field in fields.items()}
    further = ["the component's options"] if "options" in spec.model_fields else []
    return ", ".join([options_text(facts), *further])


def _default(field: FieldInfo) -> object:
    return None if field.is_required() else to_plain(field.default)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for row in (columns, ["---"] * len(columns), *rows):
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


def _summary(thing: object) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0]


def _words(callback: Callable[..., Any]) -> Iterator[str]:
    """Write arguments and options as a usage line does, from the annotations that Typer reads."""
    for parameter in inspect.signature(callback, eval_str=True).parameters.values():
        kind, info = get_args(parameter.annotation)
        word = parameter.name.upper() if isinstance(info, ArgumentInfo) else _option(parameter.name, kind, info)
        required, many = parameter.default is inspect.Parameter.empty, "list" in str(kind)
        yield f" {word if required else f'[{word}]'}{'..' if many else ''}"


def _option(name: str, kind: Any, info: OptionInfo) -> str:  # noqa: ANN401 - any annotation
    declared = [
        word for word in (info.default, *(info.param_decls or ())) if isinstance(word, str) and word.startswith("--")
    ]
    flag = declared[0] if declared else f"--{name.replace('_', '-')}"
    return flag if kind is bool else f"{flag} {info.metavar or _metavar(kind)}"


def _metavar(kind: Any) -> str:  # noqa: ANN401 - any annotation
    if get_origin(kind) in (Union, UnionType):
        kind = next(inner for inner in get_args(kind) if inner is not type(None))
    if get_origin(kind) is Literal:
        return "|".join(map(str, get_args(kind)))
    return {int: "INTEGER", float: "NUMBER", Path: "PATH"}.get(kind, "TEXT")


if __name__ == "__main__":
    for page in sorted(DOCS.glob("*.md")):
        page.write_text(regenerated(page.read_text(encoding="utf-8")), encoding="utf-8")
