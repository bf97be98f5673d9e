"""Tests assert codes and values, not wording: only the golden file changes when a message is reworded."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

from hvpkit.messages import templates
from hvpkit.registry import load_registry

TESTS = Path(__file__).parents[1]
RUN = 4  # words in a row that make it wording
ALLOWED = 20  # test functions


def runs(text: str) -> Iterator[tuple[str, ...]]:
    words = re.findall(r"[A-Za-z']+", text)
    yield from zip(*(words[start:] for start in range(RUN)), strict=False)


def wording() -> set[tuple[str, ...]]:
    load_registry()
    fixed = (part for template in templates().values() for part, *_ in string.Formatter().parse(template.text))
    return {run for part in fixed for run in runs(part)}


def expected_literals(function: ast.FunctionDef) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.Assert) or (isinstance(node, ast.keyword) and node.arg == "match"):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                    yield inner.value


def test_hardly_any_test_matches_the_wording_of_a_message():
    known = wording()
    found = [
        f"{file.relative_to(TESTS)}::{function.name}"
        for file in sorted(TESTS.rglob("test_*.py"))
        if file.parent != TESTS / "messages"
        for function in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(function, ast.FunctionDef)
        and any(run in known for text in expected_literals(function) for run in runs(text))
    ]
    assert len(found) <= ALLOWED, found
