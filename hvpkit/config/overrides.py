"""A recipe as it was written: its plain values, where each key stands, and what pydantic's findings about it mean."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from hvpkit.config.yaml_reader import KeyPath, parse
from hvpkit.errors import RecipeError, did_you_mean
from hvpkit.messages import LocatedMessage, Message


@dataclass(frozen=True)
class SourceLocations:
    """Where each key of a recipe was written: `file:line`, or the override that set it."""

    places: dict[KeyPath, str] = field(default_factory=dict)

    def location(self, *keys: str | int) -> str:
        """Give the place of a key, or of the nearest one around it."""
        return next((self.places[keys[:n]] for n in range(len(keys), -1, -1) if keys[:n] in self.places), "recipe")

    def subtree(self, *keys: str | int) -> str:
        """Give the place of a section, and the overrides that set something in it."""
        overrides = [place for known, place in self.places.items() if known[: len(keys)] == keys and place.startswith("--set ")]
        return ", ".join(dict.fromkeys([self.location(*keys), *overrides]))


@dataclass(frozen=True)
class ParsedConfig:
    """The values of a recipe, their origin, and what was wrong with the text (each problem with its place)."""

    values: dict[str, Any]
    locations: SourceLocations
    problems: list[LocatedMessage]

    def override(self, override: str) -> None:
        """Set one dotted key as `--set KEY=VALUE` says; the value is YAML, and a bare component name can be given options."""
        dotted, equals, text = override.partition("=")
        keys, place = tuple(dotted.strip().split(".")), f"--set {override}"
        tree = parse(text)
        if not equals or not all(keys):
            self.problems.append(LocatedMessage(place, Message("override-without-value")))
        elif tree.problems:
            self.problems.append(LocatedMessage(place, Message("override-not-yaml", reason=tree.problems[0][1])))
        else:
            self._set(keys, tree.value, place)

    def _set(self, keys: tuple[str, ...], value: object, place: str) -> None:
        section = self.values
        for n, key in enumerate(keys[:-1], start=1):
            inner = section.get(key)
            if not isinstance(inner, dict):
                inner = {"name": inner} if isinstance(inner, str) else {}
            section[key] = section = inner
            self.locations.places.setdefault(keys[:n], place)
        section[keys[-1]] = value
        for stale in [known for known in self.locations.places if known[: len(keys)] == keys]:
            del self.locations.places[stale]
        self.locations.places[keys] = place


def read_config(file: Path) -> ParsedConfig:
    """Read a recipe file; raises RecipeError when it holds no mapping at all."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise RecipeError("recipe-invalid", problems=[LocatedMessage(f"{file}:{line}", Message("recipe-not-utf8"))]) from error
    return parse_config(text, str(file))


def parse_config(text: str, file: str) -> ParsedConfig:
    """Read a recipe's text, which stands in `file`; raises RecipeError when it holds no mapping at all."""
    tree = parse(text)
    problems = [LocatedMessage(f"{file}:{line}", message) for line, message in tree.problems]
    if not isinstance(tree.value, dict):
        message = Message("recipe-empty") if tree.value is None else Message("recipe-without-keys")
        raise RecipeError("recipe-invalid", problems=problems or [LocatedMessage(f"{file}:1", message)])
    places = {keys: f"{file}:{line}" for keys, line in tree.lines.items()}
    return ParsedConfig(tree.value, SourceLocations({(): f"{file}:1"} | places), problems)


def format_validation_error(error: ErrorDetails, origin: SourceLocations, model: type[BaseModel]) -> LocatedMessage:
    """Turn one of pydantic's findings about `model` into a message with its place.

    Validators raise `ValueError(Message(...))`; of what they say, the key belongs to the place.
    """
    keys = error["loc"]
    if error["type"] == "value_error":
        place, name = origin.subtree(*keys), ".".join(map(str, keys))
        return LocatedMessage(f"{place}: {name}" if name else place, _raised(error["ctx"]["error"]))
    return LocatedMessage(origin.location(*keys), _message(error, model))


def _raised(error: ValueError) -> Message:
    said = error.args[0] if error.args else ""
    return said if isinstance(said, Message) else Message("custom", text=str(said))


def _message(error: ErrorDetails, model: type[BaseModel]) -> Message:
    keys, given = error["loc"], _written(error["input"])
    name, expected = ".".join(map(str, keys)), error["msg"].removeprefix("Input should be ")
    match error["type"]:
        case "extra_forbidden":
            return Message("unknown-key", key=name, hint=did_you_mean(str(keys[-1]), _fields(model, keys[:-1])))
        case "missing":
            return Message("missing-key", key=name, hint=_present(error["input"]))
        case "model_type" if keys[-1] in ("fusion", "projector", "gate", "head"):
            component = "a component's name, or {name: NAME, OPTION: VALUE}"
            return Message("wrong-type", key=name, expected=component, found=given)
        case "model_type" | "dict_type":
            return Message("wrong-type", key=name, expected="a mapping such as {key: value}", found=given)
        case "bool_type":
            return Message("wrong-type", key=name, expected="true or false", found=given)
        case "path_type":
            return Message("wrong-type", key=name, expected="a path", found=given)
        case "literal_error":
            return Message("unknown-choice", key=name, expected=expected, found=given)
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal" | "multiple_of":
            return Message("value-out-of-range", key=name, expected=expected, found=given)
        case "string_too_short" | "too_short":
            return Message("value-too-short", key=name, minimum=error["ctx"]["min_length"], found=given)
        case "string_pattern_mismatch":
            return Message("wrong-pattern", key=name, pattern=error["ctx"]["pattern"], found=given)
    if expected != error["msg"]:
        return Message("wrong-type", key=name, expected=expected, found=given)
    return Message("wrong-value", key=name, reason=expected.replace("should", "must"), found=given)


def _fields(model: Any, keys: KeyPath) -> list[str]:  # noqa: ANN401 - a model's class
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


def _present(values: Mapping[str, Any]) -> Message | str:
    keys = [*(key for key in values if key != "options"), *values.get("options", {})]
    return Message("present-keys", names=keys) if keys else ""
