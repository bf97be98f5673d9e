"""`hvp preprocess ... --features RECIPE` as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hvpkit.features.database import DATA_FILE, open_database

RECIPE = """
task: mner
data: {name: demo}
text: {encoder: bert-from-scratch, width: 32, num_layers: 2, num_attention_heads: 2}
vision: {backbone: cnn-from-scratch, weights: random, width: 4, max_objects: 1, image_size: 32, frozen: FROZEN}
fusion: {name: visual-prefix, projector: per-level, gate: dynamic}
head: crf
train: {epochs: 1}
"""


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.delenv("HVPKIT_CACHE", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(RECIPE.replace("FROZEN", "true"))
    (tmp_path / "learns.yaml").write_text(RECIPE.replace("FROZEN", "false"))


def test_features_are_computed_once_and_training_finds_them(hvp, tmp_path):
    typed = ("preprocess", "demo", "--size", "24", "--features", "small.yaml", "--json")
    first, second = (json.loads(hvp(*typed).out)["features"] for _ in range(2))
    assert first["filled"]["computed"] > 40
    assert second["filled"] == {
        **first["filled"],
        "computed": 0,
        "kept": first["filled"]["computed"] + first["filled"]["kept"],
    }
    assert second["folder"] == first["folder"]
    assert (tmp_path / first["folder"]).parent == tmp_path / "data" / ".features"
    database = open_database(tmp_path / first["folder"])
    before = len(database)
    assert 40 < before <= first["filled"]["computed"]  # equal crops are stored once
    assert hvp("train", "small.yaml", "--output", "run").code == 0
    assert hvp("eval", "run").code == 0
    assert len(database) == before
    assert len(list((tmp_path / "data" / ".features").iterdir())) == 1


def test_table_names_the_folder_of_the_features(hvp, tmp_path):
    shown = hvp("preprocess", "demo", "--size", "24", "--features", "small.yaml")
    assert (shown.code, shown.notes[-1]) == (0, "features-computed")
    values = shown.fields("features-computed")
    assert values["computed"] > 40
    assert values["folder"].is_dir()
    assert values["folder"].parent == tmp_path / "data" / ".features"


def test_settings_of_the_recipe_reach_it(hvp):
    filled = hvp(
        "preprocess", "demo", "--size", "24", "--features", "learns.yaml", "--json", "--set", "vision.frozen=true"
    )
    assert json.loads(filled.out)["features"]["filled"]["computed"] > 40


@pytest.mark.parametrize(
    ("typed", "code", "fields"),
    [
        (
            ("--features", "small.yaml", "--detector", "saliency", "--set", "colour=red"),
            "unknown-option",
            {"kind": "detector", "name": "saliency", "option": "colour"},
        ),
        (
            ("--detector", "saliency", "--set", "vision.width=8"),
            "unknown-option",
            {"name": "saliency", "option": "vision"},
        ),
        (("--features", "learns.yaml"), "backbone-changes", {"setting": "vision.frozen is false"}),
        (("--features", "bert_crf_mner"), "features-without-images", {}),
        (("--features", "nowhere.yaml"), "recipe-missing", {"file": "nowhere.yaml"}),
    ],
)
def test_invalid_recipes_and_options_are_refused_before_any_work(hvp, tmp_path, typed, code, fields):
    refused = hvp("preprocess", "demo", "--size", "24", *typed)
    assert (refused.code, refused.out, refused.errors) == (2, "", [code])
    values = refused.fields(code)
    assert values | fields == values
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("setting", ["vision.widht=8", "vision={backbone: cnn-from-scratch, widht: 8}"])
def test_unknown_settings_of_the_recipe_are_refused_before_any_work(hvp, tmp_path, setting):
    refused = hvp("preprocess", "demo", "--size", "24", "--features", "small.yaml", "--set", setting)
    assert (refused.code, refused.out, refused.errors) == (2, "", ["recipe-invalid"])
    problem = refused.fields("recipe-invalid")["problems"][-1]
    assert (problem.location, problem.message.code) == (f"--set {setting}", "unknown-option")
    assert (problem.message.fields["name"], problem.message.fields["option"]) == ("cnn-from-scratch", "widht")
    assert "width" in problem.message.fields["hint"]
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        (("--features", "small.yaml", "--text-only"), "features-with-text-only"),
        (("--detector", "saliency", "--set", "colour"), "detector-options-invalid"),
    ],
)
def test_conflicting_options_are_refused_before_any_work(hvp, tmp_path, typed, code):
    refused = hvp("preprocess", "demo", "--size", "24", *typed)
    assert (refused.code, refused.out, refused.errors) == (2, "", [code])
    assert not (tmp_path / "data").exists()


def test_corrupt_features_are_reported(hvp):
    typed = ("preprocess", "demo", "--size", "24", "--features", "small.yaml")
    folder = json.loads(hvp(*typed, "--json").out)["features"]["folder"]
    row = open_database(Path(folder)).read(lambda values: bytes(next(iter(values.cursor()))[1]), b"")
    content = (Path(folder) / DATA_FILE).read_bytes()
    assert row and row in content
    (Path(folder) / DATA_FILE).write_bytes(content.replace(row, row[:-9] + bytes(9)))
    shown = hvp(*typed)
    assert (shown.code, shown.warnings) == (0, ["damaged-features-recomputed"])
    assert shown.fields("damaged-features-recomputed") == {"count": 1}
