"""A run continues with its own identity alone, and the settings that differ are named."""

from __future__ import annotations

import json

import pytest
from raising import raises

from hvpkit.errors import InputError
from hvpkit.utils.run_identity import check_identity, diff_settings, library_versions, load_identity, write_identity

IDENTITY = {"recipe": {"train": {"lr": 1e-5, "seed": 1}, "head": "crf"}, "data": "0f", "plugins": {}}


def test_identity_is_read_as_it_was_written(tmp_path):
    assert load_identity(tmp_path / "run.json") is None
    write_identity(tmp_path / "run.json", IDENTITY)
    assert load_identity(tmp_path / "run.json") == IDENTITY
    check_identity("run", tmp_path, IDENTITY, json.loads(json.dumps(IDENTITY)))


@pytest.mark.parametrize("text", ["", "[1]", '{"recipe": ', "\xff"])
def test_damaged_file_is_reported(tmp_path, text):
    (tmp_path / "run.json").write_text(text, encoding="latin-1")
    with raises(InputError, "run-file-damaged", file=tmp_path / "run.json"):
        load_identity(tmp_path / "run.json")


def test_another_run_is_refused_with_the_settings_that_differ(tmp_path):
    other = {"recipe": {"train": {"lr": 2e-5, "seed": 1}}, "data": "0f", "plugins": {"gate even": "even.py"}}
    with raises(InputError, "run-mismatch", run="run", folder=tmp_path) as caught:
        check_identity("run", tmp_path, IDENTITY, other)
    assert [(message.code, message.fields) for message in caught.value.fields["differences"]] == [
        ("setting-differs", {"key": "plugins.gate even", "before": "unset", "now": "even.py"}),
        ("setting-differs", {"key": "recipe.head", "before": "crf", "now": "unset"}),
        ("setting-differs", {"key": "recipe.train.lr", "before": "1e-05", "now": "2e-05"}),
    ]


@pytest.mark.parametrize(
    ("before", "now"),
    [(0, 0.0), (1, True), (1, "1"), (None, "None"), ([1], [1, 2]), ([{"a": 1}], [{"a": 2}]), (None, {"a": 1})],
)
def test_values_of_another_type_or_content_differ(before, now):
    assert diff_settings({"key": before}, {"key": now})


def test_key_order_tuples_and_number_keys_make_no_difference():
    before = {"a": 1, "b": {"c": [1, 2], "1": "x"}}
    assert diff_settings(before, {"b": {1: "x", "c": (1, 2)}, "a": 1}) == []


def test_versions_are_those_of_what_computes():
    assert set(library_versions()) == {"hvpkit", "torch", "transformers"}
