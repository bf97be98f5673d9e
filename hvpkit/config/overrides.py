"""Parse recipes and plans with the source location of every key, apply overrides, and format validation errors."""

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
    """Where the keys of a recipe were set.

    Attributes:
        locations: `file:line`, or the override that set the key, by key.
    """

    locations: dict[KeyPath, str] = field(default_factory=dict)

    def location(self, *keys: str | int) -> str:
        """Return the location of a key, or of the nearest key that contains it."""
        parents = (keys[:n] for n in range(len(keys), -1, -1))
        return next((self.locations[parent] for parent in parents if parent in self.locations), "recipe")

    def subtree(self, *keys: str | int) -> str:
        """Return the location of a section and the overrides that set keys in it."""
        inner = [location for key, location in self.locations.items() if key[: len(keys)] == keys]
        overrides = [location for location in inner if location.startswith("--set ")]
        return ", ".join(dict.fromkeys([self.location(*keys), *overrides]))


@dataclass(frozen=True)
class ParsedConfig:
    """Parsed values of a recipe or plan.

    Attributes:
        values: The mapping as dicts, lists and scalars.
        locations: Where each key was set.
        problems: YAML errors and invalid overrides.
    """

    values: dict[str, Any]
    locations: SourceLocations
    problems: list[LocatedMessage]

    def override(self, override: str) -> None:
        """Apply one override `KEY=VALUE` with a dotted key and a YAML value.

        To set an option of a component that was given by its name alone, the name becomes `{name: NAME}`.
        Invalid overrides are added to `problems`.
        """
        dotted, equals, text = override.partition("=")
        keys, location = tuple(dotted.strip().split(".")), f"--set {override}"
        tree = parse(text)
        if not equals or not all(keys):
            self.problems.append(LocatedMessage(location, Message("override-without-value")))
        elif tree.problems:
            self.problems.append(LocatedMessage(location, Message("override-not-yaml", reason=tree.problems[0][1])))
        else:
            self._set(keys, tree.value, location)

    def _set(self, keys: tuple[str, ...], value: object, location: str) -> None:
        section = self.values
        for n, key in enumerate(keys[:-1], start=1):
            inner = section.get(key)
            if not isinstance(inner, dict):
                inner = {"name": inner} if isinstance(inner, str) else {}
            section[key] = section = inner
            self.locations.locations.setdefault(keys[:n], location)
        section[keys[-1]] = value
        for stale in [key for key in self.locations.locations if key[: len(keys)] == keys]:
            del self.locations.locations[stale]
        self.locations.locations[keys] = location


def read_config(file: Path) -> ParsedConfig:
    """Read and parse a recipe or plan file.

    Raises:
        RecipeError: "recipe-invalid" if the file is not UTF-8 or not a mapping.
    """
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        problem = LocatedMessage(f"{file}:{line}", Message("recipe-not-utf8"))
        raise RecipeError("recipe-invalid", problems=[problem]) from error
    return parse_config(text, str(file))


def parse_config(text: str, file: str) -> ParsedConfig:
    """Parse the text of a recipe or plan.

    Args:
        text: YAML text.
        file: Name of the file, for locations.

    Raises:
        RecipeError: "recipe-invalid" if the text is not a mapping.
    """
    tree = parse(text)
    problems = [LocatedMessage(f"{file}:{line}", message) for line, message in tree.problems]
    if not isinstance(tree.value, dict):
        message = Message("recipe-empty") if tree.value is None else Message("recipe-without-keys")
        raise RecipeError("recipe-invalid", problems=problems or [LocatedMessage(f"{file}:1", message)])
    locations = {keys: f"{file}:{line}" for keys, line in tree.lines.items()}
    return ParsedConfig(tree.value, SourceLocations({(): f"{file}:1"} | locations), problems)


def format_validation_error(error: ErrorDetails, locations: SourceLocations, model: type[BaseModel]) -> LocatedMessage:
    """Convert a validation error of pydantic to a message with its location.

    Validators raise `ValueError(Message(...))`; the key of such an error becomes part of the location.

    Args:
        error: Error of pydantic.
        locations: Where keys were set.
        model: Model that was validated.
    """
    keys = error["loc"]
    if error["type"] == "value_error":
        location, name = locations.subtree(*keys), ".".join(map(str, keys))
        return LocatedMessage(f"{location}: {name}" if name else location, _validator_message(error["ctx"]["error"]))
    return LocatedMessage(locations.location(*keys), _error_message(error, model))


def _validator_message(error: ValueError) -> Message:
    reason = error.args[0] if error.args else ""
    return reason if isinstance(reason, Message) else Message("custom", text=str(reason))


def _error_message(error: ErrorDetails, model: type[BaseModel]) -> Message:
    keys, value = error["loc"], _format_value(error["input"])
    name, expected = ".".join(map(str, keys)), error["msg"].removeprefix("Input should be ")
    match error["type"]:
        case "extra_forbidden":
            return Message("unknown-key", key=name, hint=did_you_mean(str(keys[-1]), _field_names(model, keys[:-1])))
        case "missing":
            return Message("missing-key", key=name, hint=_present_keys(error["input"]))
        case "model_type" if keys[-1] in ("fusion", "projector", "gate", "head"):
            component = "a component's name, or {name: NAME, OPTION: VALUE}"
            return Message("wrong-type", key=name, expected=component, found=value)
        case "model_type" | "dict_type":
            return Message("wrong-type", key=name, expected="a mapping such as {key: value}", found=value)
        case "string_type" if isinstance(error["input"], (int, float)):
            return Message("text-like-number", key=name, found=value)
        case "bool_type":
            return Message("wrong-type", key=name, expected="true or false", found=value)
        case "path_type":
            return Message("wrong-type", key=name, expected="a path", found=value)
        case "literal_error":
            return Message("unknown-choice", key=name, expected=expected, found=value)
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal" | "multiple_of":
            return Message("value-out-of-range", key=name, expected=expected, found=value)
        case "string_too_short" | "too_short":
            return Message("value-too-short", key=name, minimum=error["ctx"]["min_length"], found=value)
        case "string_pattern_mismatch":
            return Message("wrong-pattern", key=name, pattern=error["ctx"]["pattern"], found=value)
    if expected != error["msg"]:
        return Message("wrong-type", key=name, expected=expected, found=value)
    return Message("wrong-value", key=name, reason=expected.replace("should", "must"), found=value)


def _field_names(model: Any, keys: KeyPath) -> list[str]:  # noqa: ANN401 - a model class or annotation
    for key in keys:
        model = _nested_type(model, key)
    return [field.alias or name for name, field in model.model_fields.items()]


def _nested_type(model: Any, key: str | int) -> Any:  # noqa: ANN401 - a model class or annotation
    """Return the class under a key of a model, or the element class of a mapping or list."""
    if isinstance(model, type) and issubclass(model, BaseModel):
        model = next(field.annotation for name, field in model.model_fields.items() if key in (name, field.alias))
    else:
        model = get_args(model)[-1]
    if not _is_optional(model):
        return model
    return next((kind for kind in get_args(model) if isinstance(kind, type) and issubclass(kind, BaseModel)), model)


def _is_optional(annotation: object) -> bool:
    return type(None) in get_args(annotation)


def _format_value(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return reprlib.repr(value)


def _present_keys(values: Mapping[str, Any]) -> Message | str:
    keys = [*(key for key in values if key != "options"), *values.get("options", {})]
    return Message("present-keys", names=keys) if keys else ""
