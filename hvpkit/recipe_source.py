"""A recipe as it was written: its plain values, where each key stands, and what pydantic's findings about it mean."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from hvpkit.errors import RecipeError, choices
from hvpkit.recipe_yaml import Keys, parse


@dataclass(frozen=True)
class Origin:
    """Where each key of a recipe was written: `file:line`, or the override that set it."""

    places: dict[Keys, str] = field(default_factory=dict)

    def of(self, *keys: str | int) -> str:
        """Give the place of a key, or of the nearest one around it."""
        return next((self.places[keys[:n]] for n in range(len(keys), -1, -1) if keys[:n] in self.places), "recipe")

    def within(self, *keys: str | int) -> str:
        """Give the place of a section, and the overrides that set something in it."""
        overrides = [place for known, place in self.places.items() if known[: len(keys)] == keys and place.startswith("--set ")]
        return ", ".join(dict.fromkeys([self.of(*keys), *overrides]))


@dataclass(frozen=True)
class Source:
    """The values of a recipe, their origin, and what was wrong with the text (each problem with its place)."""

    values: dict[str, Any]
    origin: Origin
    problems: list[str]

    def override(self, override: str) -> None:
        """Set one dotted key as `--set KEY=VALUE` says; the value is YAML, and a bare component name can be given options."""
        dotted, equals, text = override.partition("=")
        keys, place = tuple(dotted.strip().split(".")), f"--set {override}"
        tree = parse(text)
        if not equals or not all(keys):
            self.problems.append(f"{place}: expected KEY=VALUE, for example train.lr=2e-5")
        elif tree.problems:
            self.problems.append(f"{place}: {tree.problems[0][1]}; put quotes around a text with special characters")
        else:
            self._set(keys, tree.value, place)

    def _set(self, keys: tuple[str, ...], value: object, place: str) -> None:
        section = self.values
        for n, key in enumerate(keys[:-1], start=1):
            inner = section.get(key)
            if not isinstance(inner, dict):
                inner = {"name": inner} if isinstance(inner, str) else {}
            section[key] = section = inner
            self.origin.places.setdefault(keys[:n], place)
        section[keys[-1]] = value
        for stale in [known for known in self.origin.places if known[: len(keys)] == keys]:
            del self.origin.places[stale]
        self.origin.places[keys] = place


def read_source(file: Path) -> Source:
    """Read a recipe file; raises RecipeError when it holds no mapping at all."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise RecipeError(f"{file}:{line}: not UTF-8 text; save the recipe as UTF-8") from error
    return source_of(text, str(file))


def source_of(text: str, file: str) -> Source:
    """Read a recipe's text, which stands in `file`; raises RecipeError when it holds no mapping at all."""
    tree = parse(text)
    problems = [f"{file}:{line}: {message}" for line, message in tree.problems]
    if not isinstance(tree.value, dict):
        what = "is empty" if tree.value is None else "holds no keys"
        raise RecipeError("\n".join(problems) or f"{file}:1: the file {what}; a recipe says `task: mner` or `task: mre`, and more")
    places = {keys: f"{file}:{line}" for keys, line in tree.lines.items()}
    return Source(tree.value, Origin({(): f"{file}:1"} | places), problems)


def explain(error: ErrorDetails, origin: Origin, model: type[BaseModel]) -> str:
    """Turn one of pydantic's findings about `model` into `place: sentence`."""
    keys, given = error["loc"], _written(error["input"])
    name, place = ".".join(map(str, keys)), origin.of(*keys)
    match error["type"]:
        case "extra_forbidden":
            return f"{place}: unknown key {name}{choices(str(keys[-1]), _fields(model, keys[:-1]))}"
        case "missing":
            return f"{place}: the key {name} is missing{_given(error['input'])}"
        case "model_type" if keys[-1] in ("fusion", "projector", "gate", "head"):
            return f"{place}: {name} must be a component's name, or {{name: NAME, OPTION: VALUE}}, not {given}"
        case "model_type" | "dict_type":
            return f"{place}: {name} must be a mapping such as {{key: value}}, not {given}"
        case "bool_type":
            return f"{place}: {name} must be true or false, not {given}"
        case "value_error":
            said, place = error["msg"].removeprefix("Value error, "), origin.within(*keys)
            return f"{place}: {name}: {said}" if name else f"{place}: {said}"
    return f"{place}: {name} {error['msg'].removeprefix('Input ').replace('should', 'must')}, not {given}"


def _fields(model: Any, keys: Keys) -> list[str]:  # noqa: ANN401 - a model's class
    for key in keys:
        model = _inner(model, key)
    return [field.alias or name for name, field in model.model_fields.items()]


def _inner(model: Any, key: str | int) -> Any:  # noqa: ANN401 - annotations
    """Give the class under a key of a model, or of a mapping or list of models."""
    if isinstance(model, type) and issubclass(model, BaseModel):
        model = next(field.annotation for name, field in model.model_fields.items() if key in (name, field.alias))
    else:
        model = get_args(model)[-1]
    return (
        next((kind for kind in get_args(model) if isinstance(kind, type) and issubclass(kind, BaseModel)), model)
        if _optional(model)
        else model
    )


def _optional(annotation: object) -> bool:
    return type(None) in get_args(annotation)


def _written(value: object) -> str:
    return {None: "null", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else reprlib.repr(value)


def _given(values: Mapping[str, Any]) -> str:
    keys = [*(key for key in values if key != "options"), *values.get("options", {})]
    return f"; given are {', '.join(keys)}" if keys else ""
