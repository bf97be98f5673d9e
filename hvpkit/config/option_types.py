"""Validate options of components in recipes against the annotations of their factories."""

from __future__ import annotations

import sys
from inspect import Parameter
from types import SimpleNamespace, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from hvpkit.messages import Message
from hvpkit.registry import Component

PositiveInt = Annotated[int, Field(ge=1)]
NonNegativeInt = Annotated[int, Field(ge=0)]
UnitInterval = Annotated[float, Field(ge=0, le=1)]
PLAIN_TYPES = {bool: "true or false", int: "a whole number", float: "a number", str: "text", type(None): "null"}


def validate_option(component: Component, option: Parameter, value: object) -> Message | None:
    """Check the value of an option against its annotation.

    Annotations that are no plain types (such as `int`, `PositiveInt`, `str | None` or a Literal) are not checked.

    Args:
        component: Component with the option.
        option: Parameter of the component's factory.
        value: Value in a recipe.

    Returns:
        A message if the value is invalid: "option-out-of-range", "option-unknown-choice" or "option-wrong-type".
    """
    hint = _hint(component, option)
    if not _is_plain(hint):
        return None
    try:
        TypeAdapter(hint, config=ConfigDict(strict=True, allow_inf_nan=False)).validate_python(value)
    except ValidationError as error:
        errors, expected = error.errors(), _describe(hint)
        names = {"option": option.name, "kind": component.kind, "name": component.name}
        limits = [each["msg"] for each in errors if "ctx" in each and each["type"] != "literal_error"]
        if limits:
            expected = limits[0].removeprefix("Input should be ").replace("String should have", "text with")
            return Message("option-out-of-range", **names, expected=expected, found=value)
        if all(each["type"] == "literal_error" for each in errors):
            return Message("option-unknown-choice", **names, expected=expected, found=value)
        return Message("option-wrong-type", **names, expected=expected, found=value)
    return None


def _hint(component: Component, option: Parameter) -> Any:  # noqa: ANN401 - an annotation can be anything
    """Resolve one annotation; others of the factory may name types that only a type checker imports."""
    module = sys.modules.get(getattr(component.factory, "__module__", ""))
    annotated = SimpleNamespace(__annotations__={"option": option.annotation})
    try:
        hints = get_type_hints(annotated, globalns=vars(module) if module else {}, include_extras=True)
    except (NameError, AttributeError, TypeError, SyntaxError):
        return None
    return hints["option"]


def _is_plain(hint: object) -> bool:
    if get_origin(hint) in (Union, UnionType):
        return all(_is_plain(member) for member in get_args(hint))
    if get_origin(hint) is Annotated:
        return _is_plain(get_args(hint)[0])
    return (isinstance(hint, type) and hint in PLAIN_TYPES) or get_origin(hint) is Literal


def _describe(hint: Any) -> str:  # noqa: ANN401
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(_describe(member) for member in get_args(hint))
    if get_origin(hint) is Literal:
        return " or ".join(map(str, get_args(hint)))
    if get_origin(hint) is Annotated:
        return _describe(get_args(hint)[0])
    return PLAIN_TYPES[hint]
