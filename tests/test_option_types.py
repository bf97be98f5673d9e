"""What annotations of options allow, and how a value that they do not is told."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field

from hvpkit.option_types import Count, Number, Share, type_problem
from hvpkit.registry import Component

Even = Annotated[int, Field(multiple_of=2)]


def options(
    *,
    count: Count = 1,
    number: Number = 0,
    share: Share = 0.5,
    maybe: Count | None = None,
    kind: Literal["a", "b"] = "a",
    even: Even = 2,
    free: list[int] | None = None,
) -> None: ...


def problem(name: str, value: object) -> str | None:
    component = Component("gate", "mine", options, "a test")
    return type_problem(component, component.options[name], value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("count", 1), ("number", 0), ("share", 0), ("share", 1.0), ("maybe", None), ("maybe", 3), ("kind", "b"), ("even", 4), ("free", "x")],
)
def test_what_an_annotation_allows_is_taken(name, value):
    assert problem(name, value) is None


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("count", 0, "must be greater than or equal to 1, not 0"),
        ("count", 1.5, "must be a whole number, not 1.5"),
        ("count", True, "must be a whole number, not True"),
        ("number", -1, "must be greater than or equal to 0, not -1"),
        ("share", 3, "must be less than or equal to 1, not 3"),
        ("share", "x", "must be a number, not 'x'"),
        ("maybe", 0, "must be greater than or equal to 1, not 0"),
        ("maybe", "x", "must be a whole number or null, not 'x'"),
        ("kind", "c", "must be a or b, not 'c'"),
        ("even", 3, "must be a multiple of 2, not 3"),
    ],
)
def test_what_it_does_not_is_told(name, value, said):
    assert problem(name, value) == said
