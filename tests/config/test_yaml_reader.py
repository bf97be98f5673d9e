from __future__ import annotations

import math

import pytest

from hvpkit.config.yaml_reader import dump, parse


def problems(text: str) -> list[tuple[int, str, dict]]:
    return [(line, message.code, message.fields) for line, message in parse(text).problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", 1e-5),
        ("2E3", 2e3),
        (".5", 0.5),
        ("3.", 3.0),
        ("-1.5e+2", -150.0),
        ("7", 7),
        ("010", 10),  # YAML 1.1 reads 8
        ("true", True),
        ("False", False),
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("No", "No"),
        ("y", "y"),
        ("1:30", "1:30"),  # YAML 1.1 reads 90
        ("1_000", "1_000"),
        ("2020-01-01", "2020-01-01"),
        ("1t3", "1t3"),
        ("0x10", "0x10"),
        ("null", None),
        ("~", None),
        ("", None),
        ("'5'", "5"),
        ("<<", "<<"),
    ],
)
def test_scalars_follow_yaml_1_2(text, value):
    tree = parse(f"key: {text}")
    assert tree.problems == []
    assert tree.value == {"key": value}
    assert type(tree.value["key"]) is type(value)


def test_infinities_and_nan_are_floats():
    values = parse("[.inf, -.Inf, .NaN]").value
    assert values[:2] == [math.inf, -math.inf]
    assert math.isnan(values[2])


def test_keys_have_line_numbers():
    assert parse("a: 1\nb:\n  c: {d: 2}\n").lines == {("a",): 1, ("b",): 2, ("b", "c"): 3, ("b", "c", "d"): 3}


def test_a_repeated_key_names_both_lines():
    assert problems("a: 1\nb: 2\na: 3\n") == [(3, "repeated-key", {"key": "a", "line": 1})]
    assert problems("b:\n  a: 1\n  a: 3\n") == [(3, "repeated-key", {"key": "b.a", "line": 2})]


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        ("!!python/object/apply:os.system [ls]", "python/object/apply:os.system"),
        ("!!python/name:os.system", "python/name:os.system"),
        ("!mine x", "!mine"),
        ("!!binary aGk=", "binary"),
        ("!!set {a}", "set"),
    ],
)
def test_tags_are_refused(value, tag):
    text = f"a: 1\nb: {value}\n"
    assert problems(text) == [(2, "yaml-tag", {"tag": tag})]
    assert parse(text).value == {"a": 1, "b": None}


@pytest.mark.parametrize("text", ["a: &x 1\nb: *x\n", "a: &x\n  b: *x\n"])
def test_aliases_are_refused(text):
    assert problems(text) == [(2, "yaml-alias", {})]


@pytest.mark.parametrize(
    ("text", "line", "code"),
    [
        ("a: [1\nb: 2\n", 2, "not-yaml"),
        ("a: b: c\n", 1, "not-yaml"),
        ("\ta: 1\n", 1, "not-yaml"),
        ("a: 1\n---\nb: 2\n", 2, "not-yaml"),
        ("a: \x07\n", 1, "yaml-character"),
        ("x: 1\n\n5: 2\n", 3, "yaml-wrong-key"),
        ("[a]: 1", 1, "yaml-wrong-key"),
    ],
)
def test_invalid_yaml_is_reported_with_line(text, line, code):
    assert [(line, code) for line, code, _ in problems(text)] == [(line, code)]


def test_a_deep_nest_is_a_problem_and_no_crash():
    assert problems("[" * 100_000) == [(1, "yaml-too-deep", {})]


def test_a_wrong_explicit_number_is_a_problem():
    assert problems("a: !!int x") == [(1, "yaml-wrong-scalar", {"text": "x", "type": "int"})]


@pytest.mark.parametrize(
    "value",
    [
        "1e-5",
        "on",
        "no",
        "true",
        "5",
        "",
        "null",
        "#x",
        "a: b",
        "*a",
        "é",
        "a\nb",
        1e-5,
        5,
        0.1,
        True,
        None,
        [1, "2"],
        {"a": "1e5"},
    ],
)
def test_what_is_dumped_is_read_back_the_same(value):
    tree = parse(dump({"key": value}))
    assert tree.problems == []
    assert tree.value == {"key": value}
    assert type(tree.value["key"]) is type(value)
