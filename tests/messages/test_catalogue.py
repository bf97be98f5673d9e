"""Every template is rendered once into a golden file, and every code in the source stands in the catalogue."""

from __future__ import annotations

import ast
import os
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from hvpkit.messages import Message, templates
from hvpkit.registry import load_registry

ROOT = Path(__file__).parents[2]
RENDERED = Path(__file__).with_name("rendered.txt")
ERRORS = {"Message", "CheckFailed"}
NOT_FIELDS = {"RecordError": {"line"}}  # arguments of a class of its own
NOT_OURS = ("test-", "benchmark-", "contrast-", "controlled-")  # of tests and benchmark scripts in the same process
GENERAL = {"custom"}  # used by HvpkitError itself


def known() -> dict:
    load_registry()  # plugins add their templates when they are loaded
    return {code: template for code, template in templates().items() if not code.startswith(NOT_OURS)}


def fields_of(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def uses() -> Iterator[tuple[str, str, set[str] | None]]:
    """Where a code is written (`file:line`), the code, and the fields that it is given (None.

    They come in a mapping).
    """
    for folder in ("hvpkit", "plugins"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Call) or not isinstance(node.func, (ast.Name, ast.Attribute)):
                    continue
                name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
                if name not in ERRORS and not name.endswith("Error") and name not in NOT_FIELDS:
                    continue
                if name in (
                    "ValueError",
                    "TypeError",
                    "OSError",
                    "FileNotFoundError",
                    "RuntimeError",
                    "KeyError",
                    "AssertionError",
                ):
                    continue
                if node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str):
                    given = {keyword.arg for keyword in node.keywords} - NOT_FIELDS.get(name, set())
                    yield (
                        f"{file.relative_to(ROOT)}:{node.lineno}",
                        node.args[0].value,
                        None if None in given else given,
                    )


def test_every_code_is_in_the_catalogue_with_the_fields_of_its_template():
    catalogue = known()
    wrong = []
    for where, code, given in uses():
        if code not in catalogue:
            wrong.append(f"{where}: no template {code!r}")
        elif given is not None and given != fields_of(catalogue[code].text):
            wrong.append(
                f"{where}: {code} is given {sorted(given)}, its template has {sorted(fields_of(catalogue[code].text))}"
            )
    assert not wrong, "\n".join(wrong)


def test_every_template_is_used():
    assert sorted(known().keys() - {code for _, code, _ in uses()} - GENERAL) == []


def test_examples_have_the_fields_of_their_template():
    assert [code for code, template in known().items() if set(template.example) != fields_of(template.text)] == []


def test_every_message_reads_as_in_the_golden_file():
    """To accept new wording: `HVPKIT_WRITE_GOLDEN=1 pytest tests/messages`, and read the difference."""
    text = "".join(f"{code}: {Message(code, **template.example)}\n" for code, template in sorted(known().items()))
    if os.environ.get("HVPKIT_WRITE_GOLDEN"):
        RENDERED.write_text(text, encoding="utf-8")
        pytest.skip("the golden file was written")
    assert text == RENDERED.read_text(encoding="utf-8")


def test_codes_are_in_kebab_case():
    assert [
        code
        for code in known()
        if code != code.lower() or set(code) - set(string.ascii_lowercase + string.digits + "-")
    ] == []
