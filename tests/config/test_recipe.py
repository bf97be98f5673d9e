from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
from pydantic import BaseModel, Field, ValidationError, field_validator
from raising import raises

from hvpkit.config.loading import load_recipe, shipped_recipes
from hvpkit.config.overrides import SourceLocations, format_validation_error
from hvpkit.config.recipe import ComponentSpec, FusionSpec, Recipe, TextSpec, TrainSpec
from hvpkit.errors import RecipeError, did_you_mean
from hvpkit.messages import LocatedMessage, Message

GOOD = """\
# A header
task: mner
data: {name: twitter2017}
text: {name: bert, cased: true}
vision: {backbone: resnet50, grid: 3, depth: 2}
fusion: {name: visual-prefix, projector: per-level, gate: {name: dynamic, slope: 0.1}, heads: 4}
head: crf
train:
  epochs: 2
  lr: 1e-5
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text: str | bytes) -> Path:
        path = Path("r.yaml")
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def problems(path: Path | str, *overrides: str) -> list[LocatedMessage]:
    with raises(RecipeError, "recipe-invalid") as caught:
        load_recipe(path, overrides)
    assert caught.value.exit_code == 2
    assert str(caught.value).splitlines() == [str(problem) for problem in caught.value.problems]
    return caught.value.problems


def problem(path: Path | str, *overrides: str) -> tuple[str, str, dict]:
    """Return the location, code and fields of the only problem."""
    (found,) = problems(path, *overrides)
    return found.location, found.message.code, found.message.fields


def test_a_recipe_becomes_typed_values(write):
    recipe = load_recipe(write(GOOD))
    assert recipe.task == "mner"
    assert recipe.data.path == Path("data/twitter2017")
    assert (recipe.text.encoder, recipe.text.name, recipe.text.options) == ("hugging-face", "bert", {"cased": True})
    assert recipe.vision is not None
    assert (recipe.vision.grid, recipe.vision.num_images, recipe.vision.options) == (3, 4, {"depth": 2})
    assert recipe.fusion.projector == ComponentSpec(name="per-level")
    assert recipe.fusion.gate == ComponentSpec(name="dynamic", options={"slope": 0.1})
    assert recipe.fusion.options == {"heads": 4}
    assert recipe.head == ComponentSpec(name="crf")
    assert (recipe.train.epochs, recipe.train.lr, recipe.train.head_lr, recipe.train.seed) == (2, 1e-5, None, 1234)


def test_without_vision_and_fusion_it_is_text_alone(write):
    recipe = load_recipe(write("task: mre\ndata: {name: mnre, folder: /d}\ntext: {name: b}\nhead: cls\n"))
    assert recipe.vision is None
    assert recipe.fusion == FusionSpec(name="none")
    assert recipe.data.path == Path("/d")


def test_yaml_of_a_recipe_gives_the_same_recipe(write):
    recipe = load_recipe(write(GOOD), ["data.folder=some/where", "text.name='1e5'", "head.mode='on'"])
    text = recipe.to_yaml()
    again = load_recipe(write(text))
    assert again == recipe
    assert again.to_yaml() == text
    assert again != load_recipe(write(text), ["train.seed=7"])


def test_recipe_is_immutable(write):
    recipe = load_recipe(write(GOOD))
    with pytest.raises(ValueError, match="frozen"):
        recipe.task = "mre"


def test_all_problems_are_reported_at_once_with_lines(write):
    text = """\
task: ner
data: {name: twitter2017, max_lenth: 128}
text: {name: 5}
vision: {backbone: resnet50, max_objects: -1, full_image: 1}
fusion: {projector: 5}
head: [crf]
trian: 5
train: {epochs: "30", batch_size: 0, lr: on, weight_decay: .nan, seed: 1.5, precision: fp8}
task: mner
"""
    component = "a component's name, or {name: NAME, OPTION: VALUE}"
    assert [(found.location, found.message.code, found.message.fields) for found in problems(write(text))] == [
        ("r.yaml:9", "repeated-key", {"key": "task", "line": 1}),
        ("r.yaml:1", "unknown-choice", {"key": "task", "expected": "'mner' or 'mre'", "found": "'ner'"}),
        ("r.yaml:2", "unknown-key", {"key": "data.max_lenth", "hint": did_you_mean("max_lenth", ["max_length"])}),
        ("r.yaml:3", "text-like-number", {"key": "text.name", "found": "5"}),
        ("r.yaml:4", "wrong-type", {"key": "vision.full_image", "expected": "true or false", "found": "1"}),
        (
            "r.yaml:4",
            "value-out-of-range",
            {"key": "vision.max_objects", "expected": "greater than or equal to 0", "found": "-1"},
        ),
        ("r.yaml:5", "missing-key", {"key": "fusion.name", "hint": Message("present-keys", names=["projector"])}),
        ("r.yaml:5", "wrong-type", {"key": "fusion.projector", "expected": component, "found": "5"}),
        ("r.yaml:6", "wrong-type", {"key": "head", "expected": component, "found": "['crf']"}),
        ("r.yaml:8", "wrong-type", {"key": "train.epochs", "expected": "a valid integer", "found": "'30'"}),
        (
            "r.yaml:8",
            "value-out-of-range",
            {"key": "train.batch_size", "expected": "greater than or equal to 1", "found": "0"},
        ),
        ("r.yaml:8", "wrong-type", {"key": "train.lr", "expected": "a valid number", "found": "'on'"}),
        ("r.yaml:8", "wrong-type", {"key": "train.weight_decay", "expected": "a finite number", "found": "nan"}),
        (
            "r.yaml:8",
            "unknown-choice",
            {"key": "train.precision", "expected": "'auto', 'fp32' or 'bf16'", "found": "'fp8'"},
        ),
        ("r.yaml:8", "wrong-type", {"key": "train.seed", "expected": "a valid integer", "found": "1.5"}),
        ("r.yaml:7", "unknown-key", {"key": "trian", "hint": did_you_mean("trian", ["train"])}),
    ]


def test_missing_sections_are_all_named(write):
    hint = Message("present-keys", names=["task"])
    assert [
        (found.location, found.message.code, found.message.fields) for found in problems(write("task: mner\n"))
    ] == [("r.yaml:1", "missing-key", {"key": key, "hint": hint}) for key in ("data", "text", "head")]


def test_problem_without_a_key_names_none(write):
    assert problem(write(GOOD), "fusion={}") == ("--set fusion={}", "missing-key", {"key": "fusion.name", "hint": ""})


MAPPING = "a mapping such as {key: value}"


@pytest.mark.parametrize(
    ("override", "code", "fields"),
    [
        (
            "vision.image_size=8",
            "value-out-of-range",
            {"key": "vision.image_size", "expected": "greater than or equal to 32", "found": "8"},
        ),
        ("train.lr=0", "value-out-of-range", {"key": "train.lr", "expected": "greater than 0", "found": "0"}),
        ("train=5", "wrong-type", {"key": "train", "expected": MAPPING, "found": "5"}),
        ("text.options=5", "wrong-type", {"key": "text.options", "expected": MAPPING, "found": "5"}),
        ("train.epochs=true", "wrong-type", {"key": "train.epochs", "expected": "a valid integer", "found": "true"}),
        ("data.folder=5", "wrong-type", {"key": "data.folder", "expected": "a path", "found": "5"}),
        ("data.name=''", "value-too-short", {"key": "data.name", "minimum": 1, "found": "''"}),
    ],
)
def test_values_out_of_range_are_refused(write, override, code, fields):
    assert problem(write(GOOD), override) == (f"--set {override}", code, fields)


def test_a_section_where_a_value_should_be_is_refused(write):
    fields = {"key": "train.epochs", "expected": "a valid integer", "found": "{'x': 3}"}
    assert problem(write(GOOD), "train.epochs.x=3") == ("r.yaml:9", "wrong-type", fields)


@pytest.mark.parametrize(
    ("override", "location", "code", "fields"),
    [
        (
            "train.first_eval_epoch=3",
            "r.yaml:8, {}: train",
            "evaluation-too-late",
            {"first_eval_epoch": 3, "epochs": 2},
        ),
        (
            "train.momentum=0.5",
            "r.yaml:8, {}: train",
            "setting-unused",
            {"key": "momentum", "value": 0.5, "user": "optimizer: sgd"},
        ),
        (
            "train.lr_decay=2.0",
            "r.yaml:8, {}: train",
            "setting-unused",
            {"key": "lr_decay", "value": 2.0, "user": "schedule: inverse-time"},
        ),
        ("train={fraction: 0.5, shots: 5}", "{}: train", "fraction-and-shots", {}),
        ("train={sampling: with-replacement, shots: 5}", "{}: train", "shots-with-replacement", {}),
        ("vision={backbone: b, full_image: false, max_objects: 0}", "{}: vision", "vision-without-images", {}),
        ("scoring=wordpieces", "r.yaml:1, {}", "wordpiece-scores-of-words", {}),
    ],
)
def test_incompatible_values_are_refused_with_their_section(write, override, location, code, fields):
    assert problem(write(GOOD), override) == (location.replace("{}", f"--set {override}"), code, fields)


@pytest.mark.parametrize(
    ("text", "line", "code"),
    [
        ("", 1, "recipe-empty"),
        ("# only a comment\n", 1, "recipe-empty"),
        ("- a\n- b\n", 1, "recipe-without-keys"),
        ("just words", 1, "recipe-without-keys"),
        (b"task: mner\nhead: \xff\n", 2, "recipe-not-utf8"),
        ("task: [\n", 2, "not-yaml"),
    ],
)
def test_files_that_are_no_recipe_are_refused(write, text, line, code):
    assert problem(write(text))[:2] == (f"r.yaml:{line}", code)


class Named(BaseModel):
    """A spec with what no recipe has yet."""

    name: Annotated[str, Field(pattern="^[a-z]+$")]

    @field_validator("name")
    @classmethod
    def _short(cls, name: str) -> str:
        if len(name) > 5:
            raise ValueError("five letters at most")
        return name


@pytest.mark.parametrize(
    ("values", "location", "code", "fields"),
    [
        ({"name": "A"}, "r.yaml:1", "wrong-pattern", {"key": "name", "pattern": "^[a-z]+$", "found": "'A'"}),
        ({"name": "abcdef"}, "r.yaml:1: name", "custom", {"text": "five letters at most"}),
    ],
)
def test_findings_of_other_kinds_keep_code_and_fields(values, location, code, fields):
    with pytest.raises(ValidationError) as caught:
        Named.model_validate(values)
    (error,) = caught.value.errors()
    found = format_validation_error(error, SourceLocations({(): "r.yaml:1"}), Named)
    assert (found.location, found.message.code, found.message.fields) == (location, code, fields)


def test_a_byte_order_mark_does_no_harm(write):
    assert load_recipe(write(b"\xef\xbb\xbf" + GOOD.encode())).task == "mner"


@pytest.mark.parametrize(
    ("override", "read", "value"),
    [
        ("train.lr=2e-5", lambda r: r.train.lr, 2e-5),
        ("train.head_lr=5e-3", lambda r: r.train.head_lr, 5e-3),
        ("vision=null", lambda r: r.vision, None),
        ("fusion.gate=flat", lambda r: r.fusion.gate, ComponentSpec(name="flat")),
        ("fusion=none", lambda r: r.fusion, FusionSpec(name="none")),
        ("fusion.gate.slope=2", lambda r: r.fusion.gate, ComponentSpec(name="dynamic", options={"slope": 2})),
        ("head.dropout=0.5", lambda r: r.head, ComponentSpec(name="crf", options={"dropout": 0.5})),
        ("text={name: a b, encoder: own}", lambda r: r.text, TextSpec(encoder="own", name="a b")),
        ("data.name=a=b", lambda r: r.data.name, "a=b"),
    ],
)
def test_overrides_are_read_by_the_rules_of_the_file(write, override, read, value):
    assert read(load_recipe(write(GOOD), [override])) == value


def test_later_overrides_win(write):
    assert load_recipe(write(GOOD), ["train.seed=1", "train.seed=2"]).train.seed == 2


@pytest.mark.parametrize(
    ("override", "code", "fields"),
    [
        ("train.lrr=1", "unknown-key", {"key": "train.lrr", "hint": did_you_mean("lrr", TrainSpec.model_fields)}),
        ("trian.lr=1", "unknown-key", {"key": "trian", "hint": did_you_mean("trian", ["train"])}),
        ("train.lr", "override-without-value", {}),
        ("=5", "override-without-value", {}),
        ("train..lr=5", "override-without-value", {}),
        ("train.lr=x", "wrong-type", {"key": "train.lr", "expected": "a valid number", "found": "'x'"}),
        ("text.name=*a", "override-not-yaml", {"reason": Message("yaml-alias")}),
        (
            "text.name=a: b: c",
            "override-not-yaml",
            {"reason": Message("not-yaml", reason="mapping values are not allowed here")},
        ),
        (
            "text.name=!!python/name:os.system",
            "override-not-yaml",
            {"reason": Message("yaml-tag", tag="python/name:os.system")},
        ),
    ],
)
def test_a_wrong_override_is_named(write, override, code, fields):
    assert problem(write(GOOD), override) == (f"--set {override}", code, fields)


def test_all_wrong_overrides_are_named_at_once(write):
    assert [
        (found.location, found.message.code) for found in problems(write(GOOD), "a", "train.lr=x", "train.x=1")
    ] == [
        ("--set a", "override-without-value"),
        ("--set train.lr=x", "wrong-type"),
        ("--set train.x=1", "unknown-key"),
    ]


def test_a_missing_recipe_names_the_nearest_shipped_one():
    for name, file in (("hvpnet_mnr", "hvpnet_mnr"), ("hvpnet_mner", "nowhere/hvpnet_mner.yml")):
        hint = did_you_mean(name, shipped_recipes())
        assert "hvpnet_mner" in hint
        with raises(RecipeError, "recipe-missing", file=file, hint=hint):
            load_recipe(file)


def test_a_folder_is_no_recipe(tmp_path):
    with raises(RecipeError, "recipe-is-folder", file=tmp_path):
        load_recipe(tmp_path)


def test_shipped_recipe_is_loaded_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_recipe("hvpnet_mner") == load_recipe(shipped_recipes()["hvpnet_mner"])


def test_recipes_built_in_python_equal_loaded_ones(write):
    read = load_recipe(write("task: mner\ndata: {name: d}\ntext: {name: b}\nhead: crf\n"))
    assert read == Recipe.model_validate({"task": "mner", "data": {"name": "d"}, "text": {"name": "b"}, "head": "crf"})


@pytest.mark.parametrize("name", sorted(shipped_recipes()))
def test_every_shipped_recipe_can_be_trained_for_one_epoch(name, logged):
    original = load_recipe(name).train
    limited = load_recipe(name, ["train.epochs=1"]).train
    assert (limited.epochs, limited.first_eval_epoch) == (1, 1)
    notes = [(note.code, note.fields["first_eval_epoch"]) for note in logged()]
    expected = original.first_eval_epoch
    assert notes == ([("first-evaluation-limited", expected)] if expected > 1 else [])
    assert load_recipe(name, [f"train.epochs={original.epochs + 1}"]).train.first_eval_epoch == expected
