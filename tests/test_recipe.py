from __future__ import annotations

from pathlib import Path

import pytest

from hvpkit.errors import RecipeError
from hvpkit.recipe import FusionSpec, Part, Recipe, TextSpec, load_recipe, shipped_recipes

GOOD = """\
# A header
task: mner
data: {name: twitter2017}
text: {name: bert, cased: true}
vision: {backbone: resnet50, grid: 3, depth: 2}
fusion: {name: visual-prefix, projector: stages, gate: {name: dynamic, slope: 0.1}, heads: 4}
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


def problems(path: Path | str, *overrides: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, overrides)
    assert caught.value.exit_code == 2
    return str(caught.value).splitlines()


def test_a_recipe_becomes_typed_values(write):
    recipe = load_recipe(write(GOOD))
    assert recipe.task == "mner"
    assert recipe.data.path == Path("data/twitter2017")
    assert (recipe.text.encoder, recipe.text.name, recipe.text.options) == ("hugging-face", "bert", {"cased": True})
    assert recipe.vision is not None
    assert (recipe.vision.grid, recipe.vision.pictures, recipe.vision.options) == (3, 4, {"depth": 2})
    assert recipe.fusion.projector == Part(name="stages")
    assert recipe.fusion.gate == Part(name="dynamic", options={"slope": 0.1})
    assert recipe.fusion.options == {"heads": 4}
    assert recipe.head == Part(name="crf")
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


def test_a_recipe_cannot_be_changed(write):
    recipe = load_recipe(write(GOOD))
    with pytest.raises(ValueError, match="frozen"):
        recipe.task = "mre"


def test_every_problem_is_told_at_once_with_its_line(write):
    text = """\
task: ner
data: {name: twitter2017, max_lenth: 128}
text: {name: 5}
vision: {backbone: resnet50, objects: -1, whole: 1}
fusion: {projector: 5}
head: [crf]
trian: 5
train: {epochs: "30", batch_size: 0, lr: on, weight_decay: .nan, seed: 1.5, precision: fp8}
task: mner
"""
    assert problems(write(text)) == [
        "r.yaml:9: key task stands twice: here and on line 1",
        "r.yaml:1: task must be 'mner' or 'mre', not 'ner'",
        "r.yaml:2: unknown key data.max_lenth; did you mean max_length?",
        "r.yaml:3: text.name must be a valid string, not 5",
        "r.yaml:4: vision.whole must be true or false, not 1",
        "r.yaml:4: vision.objects must be greater than or equal to 0, not -1",
        "r.yaml:5: the key fusion.name is missing; given are projector",
        "r.yaml:5: fusion.projector must be a component's name, or {name: NAME, OPTION: VALUE}, not 5",
        "r.yaml:6: head must be a component's name, or {name: NAME, OPTION: VALUE}, not ['crf']",
        "r.yaml:8: train.epochs must be a valid integer, not '30'",
        "r.yaml:8: train.batch_size must be greater than or equal to 1, not 0",
        "r.yaml:8: train.lr must be a valid number, not 'on'",
        "r.yaml:8: train.weight_decay must be a finite number, not nan",
        "r.yaml:8: train.precision must be 'auto', 'fp32' or 'bf16', not 'fp8'",
        "r.yaml:8: train.seed must be a valid integer, not 1.5",
        "r.yaml:7: unknown key trian; did you mean train?",
    ]


def test_missing_sections_are_all_named(write):
    assert problems(write("task: mner\n")) == [f"r.yaml:1: the key {key} is missing; given are task" for key in ("data", "text", "head")]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "train.evaluate_from=3",
            "r.yaml:8, --set train.evaluate_from=3: train: evaluate_from is 3, after the last epoch; take 2 or less (--set train.",
        ),
        ("vision={backbone: b, whole: false, objects: 0}", "it must see something"),
        ("vision.size=8", "--set vision.size=8: vision.size must be greater than or equal to 32, not 8"),
        ("train.lr=0", "--set train.lr=0: train.lr must be greater than 0, not 0"),
        ("train=5", "--set train=5: train must be a mapping such as {key: value}, not 5"),
        ("text.options=5", "--set text.options=5: text.options must be a mapping"),
        ("train.epochs.x=3", "train.epochs must be a valid integer"),
    ],
)
def test_values_out_of_range_are_refused(write, override, message):
    (problem,) = problems(write(GOOD), override)
    assert message in problem


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "r.yaml:1: the file is empty"),
        ("# only a comment\n", "r.yaml:1: the file is empty"),
        ("- a\n- b\n", "r.yaml:1: the file holds no keys"),
        ("just words", "r.yaml:1: the file holds no keys"),
        (b"task: mner\nhead: \xff\n", "r.yaml:2: not UTF-8 text"),
        ("task: [\n", "r.yaml:2: not valid YAML"),
    ],
)
def test_files_that_are_no_recipe_are_refused(write, text, message):
    (problem,) = problems(write(text))
    assert problem.startswith(message)


def test_a_byte_order_mark_does_no_harm(write):
    assert load_recipe(write(b"\xef\xbb\xbf" + GOOD.encode())).task == "mner"


@pytest.mark.parametrize(
    ("override", "read", "value"),
    [
        ("train.lr=2e-5", lambda r: r.train.lr, 2e-5),
        ("train.head_lr=5e-3", lambda r: r.train.head_lr, 5e-3),
        ("vision=null", lambda r: r.vision, None),
        ("fusion.gate=flat", lambda r: r.fusion.gate, Part(name="flat")),
        ("fusion=none", lambda r: r.fusion, FusionSpec(name="none")),
        ("fusion.gate.slope=2", lambda r: r.fusion.gate, Part(name="dynamic", options={"slope": 2})),
        ("head.dropout=0.5", lambda r: r.head, Part(name="crf", options={"dropout": 0.5})),
        ("text={name: a b, encoder: own}", lambda r: r.text, TextSpec(encoder="own", name="a b")),
        ("data.name=a=b", lambda r: r.data.name, "a=b"),
    ],
)
def test_overrides_are_read_by_the_rules_of_the_file(write, override, read, value):
    assert read(load_recipe(write(GOOD), [override])) == value


def test_later_overrides_win(write):
    assert load_recipe(write(GOOD), ["train.seed=1", "train.seed=2"]).train.seed == 2


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.lrr=1", "--set train.lrr=1: unknown key train.lrr; did you mean lr"),
        ("trian.lr=1", "--set trian.lr=1: unknown key trian; did you mean train"),
        ("train.lr", "--set train.lr: expected KEY=VALUE"),
        ("=5", "--set =5: expected KEY=VALUE"),
        ("train..lr=5", "--set train..lr=5: expected KEY=VALUE"),
        ("train.lr=x", "--set train.lr=x: train.lr must be a valid number, not 'x'"),
        ("text.name=*a", "--set text.name=*a: not valid YAML"),
        ("text.name=!!python/name:os.system", "is not allowed"),
    ],
)
def test_a_wrong_override_is_named(write, override, message):
    (problem,) = problems(write(GOOD), override)
    assert message in problem


def test_all_wrong_overrides_are_named_at_once(write):
    assert len(problems(write(GOOD), "a", "train.lr=x", "train.x=1")) == 3


def test_a_missing_recipe_names_the_nearest_shipped_one():
    (problem,) = problems("hvpnet_mnr")
    assert problem.startswith("hvpnet_mnr: no such file")
    assert "hvpnet_mner" in problem
    assert "did you mean hvpnet_mner" in problems("nowhere/hvpnet_mner.yml")[0]


def test_a_folder_is_no_recipe(tmp_path):
    assert "a folder; give a recipe's file" in problems(tmp_path)[0]


def test_a_shipped_recipe_is_found_by_its_bare_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_recipe("hvpnet_mner") == load_recipe(shipped_recipes()["hvpnet_mner"])


def test_recipes_made_in_python_equal_those_that_are_read(write):
    read = load_recipe(write("task: mner\ndata: {name: d}\ntext: {name: b}\nhead: crf\n"))
    assert read == Recipe.model_validate({"task": "mner", "data": {"name": "d"}, "text": {"name": "b"}, "head": "crf"})
