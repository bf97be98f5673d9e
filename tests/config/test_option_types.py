"""Annotations of options and the errors of values that they do not allow."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field

from hvpkit.config.option_types import NonNegativeInt, PositiveInt, UnitInterval, validate_option
from hvpkit.messages import Message
from hvpkit.registry import Component

Even = Annotated[int, Field(multiple_of=2)]
Word = Annotated[str, Field(min_length=1)]


def options(
    *,
    count: PositiveInt = 1,
    number: NonNegativeInt = 0,
    share: UnitInterval = 0.5,
    maybe: PositiveInt | None = None,
    kind: Literal["a", "b"] = "a",
    even: Even = 2,
    word: Word = "a",
    free: list[int] | None = None,
) -> None: ...


def problem(name: str, value: object) -> Message | None:
    component = Component("gate", "mine", options, "a test")
    return validate_option(component, component.options[name], value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("count", 1),
        ("number", 0),
        ("share", 0),
        ("share", 1.0),
        ("maybe", None),
        ("maybe", 3),
        ("kind", "b"),
        ("even", 4),
        ("free", "x"),
    ],
)
def test_what_an_annotation_allows_is_taken(name, value):
    assert problem(name, value) is None


@pytest.mark.parametrize(
    ("name", "value", "code", "expected"),
    [
        ("count", 0, "option-out-of-range", "greater than or equal to 1"),
        ("count", 1.5, "option-wrong-type", "a whole number"),
        ("count", True, "option-wrong-type", "a whole number"),
        ("number", -1, "option-out-of-range", "greater than or equal to 0"),
        ("share", 3, "option-out-of-range", "less than or equal to 1"),
        ("share", "x", "option-wrong-type", "a number"),
        ("maybe", 0, "option-out-of-range", "greater than or equal to 1"),
        ("maybe", "x", "option-wrong-type", "a whole number or null"),
        ("kind", "c", "option-unknown-choice", "a or b"),
        ("even", 3, "option-out-of-range", "a multiple of 2"),
        ("word", "", "option-out-of-range", "text with at least 1 character"),
    ],
)
def test_invalid_value_is_reported(name, value, code, expected):
    message = problem(name, value)
    assert message.code == code
    assert message.fields == {"option": name, "kind": "gate", "name": "mine", "expected": expected, "found": value}
