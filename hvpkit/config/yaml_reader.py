"""Parse and write YAML for recipes: scalars of YAML 1.2, no tags, aliases or repeated keys, line numbers of keys."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml

from hvpkit.messages import Message

KeyPath = tuple[str | int, ...]

_TAG = "tag:yaml.org,2002:"
_NUMBER = r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
_SCALARS = {  # name: (pattern, first characters); PyYAML's own follow YAML 1.1, where 1e-5 is a string and `on` is true
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "int": (r"[-+]?[0-9]+", "-+0123456789"),
    "float": (rf"{_NUMBER}|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", "-+0123456789."),
}
_CONSTRUCTORS: dict[str, Callable[[str], object]] = {
    "str": str,
    "bool": lambda text: text.lower() == "true",
    "null": lambda text: None,
    "int": int,
    "float": lambda text: float(re.sub(r"\.(inf|nan)", r"\1", text.lower())),
}


class _Alias(yaml.composer.ComposerError):
    """A YAML alias, which recipes do not support."""


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise _Alias(problem_mark=mark)
        return super().compose_node(parent, index)


class _Dumper(yaml.SafeDumper):
    yaml_implicit_resolvers: dict[str, Any] = {}


for _name, (_pattern, _first) in _SCALARS.items():
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(_TAG + _name, re.compile(f"(?:{_pattern})$"), list(_first))


@dataclass
class Tree:
    """Parsed YAML text.

    Attributes:
        value: Plain value.
        lines: Line number, from 1, of each key.
        problems: Problems as (line, message).
    """

    value: Any = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[tuple[int, Message]] = field(default_factory=list)


def parse(text: str) -> Tree:
    """Parse YAML text; problems are listed in the result instead of raised."""
    tree = Tree()
    try:
        node = yaml.compose(text, Loader=_Loader)
        tree.value = None if node is None else _value(node, (), tree)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = error.problem or error.context
        message = Message("yaml-alias") if isinstance(error, _Alias) else Message("not-yaml", reason=reason)
        tree.problems.append((mark.line + 1 if mark else 1, message))
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        tree.problems.append((line, Message("yaml-character", character=text[error.position])))
    except RecursionError:
        tree.problems.append((1, Message("yaml-too-deep")))
    return tree


def dump(value: object) -> str:
    """Write plain values as YAML that `parse` reads back unchanged; innermost mappings are written on one line."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=140)


def _value(node: yaml.Node, keys: KeyPath, tree: Tree) -> Any:  # noqa: ANN401 - YAML holds anything
    tag = node.tag.removeprefix(_TAG)
    if isinstance(node, yaml.MappingNode) and tag == "map":
        return _mapping(node, keys, tree)
    if isinstance(node, yaml.SequenceNode) and tag == "seq":
        return [_value(item, (*keys, i), tree) for i, item in enumerate(node.value)]
    line = node.start_mark.line + 1
    if not isinstance(node, yaml.ScalarNode) or tag not in _CONSTRUCTORS:
        tree.problems.append((line, Message("yaml-tag", tag=tag)))
        return None
    try:
        return _CONSTRUCTORS[tag](node.value)
    except ValueError:
        tree.problems.append((line, Message("yaml-wrong-scalar", text=node.value, type=tag)))
        return None


def _mapping(node: yaml.MappingNode, keys: KeyPath, tree: Tree) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        key = key_node.value
        if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != f"{_TAG}str":
            tree.problems.append((line, Message("yaml-wrong-key", key=_key_text(key_node))))
            continue
        path = (*keys, key)
        if key in values:
            tree.problems.append((line, Message("repeated-key", key=".".join(map(str, path)), line=tree.lines[path])))
            continue
        tree.lines[path] = line
        values[key] = _value(value_node, path, tree)
    return values


def _key_text(node: yaml.Node) -> str:
    return repr(node.value) if isinstance(node, yaml.ScalarNode) else "a list or mapping"
