from __future__ import annotations

from pathlib import Path

import pytest
from raising import raises

from hvpkit.config.loading import load_recipe, shipped_recipes
from hvpkit.errors import RecipeError
from hvpkit.registry import load_registry

FOLDER = Path(__file__).parents[2] / "recipes"


def test_every_file_of_the_folder_is_listed():
    assert sorted(shipped_recipes().values()) == sorted(FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.yaml")), ids=lambda file: file.stem)
def test_shipped_recipe_composes_and_has_a_header(file):
    recipe = load_recipe(file, registry=load_registry())
    header = [line for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    assert header[0].endswith(".")
    assert any(f"hvp train {name}" in line for line in header for name in (file.stem, f"recipes/{file.name}"))
    assert load_recipe(file).to_yaml() == recipe.to_yaml()


@pytest.mark.parametrize(
    ("name", "gate", "images"),
    [("hvpnet", "dynamic", 4), ("hvpnet_flat", "flat", 4), ("hvpnet_1t3", "1t3", 4), ("hvpnet_onlyobj", "dynamic", 3)],
)
@pytest.mark.parametrize(("task", "head"), [("mner", "crf"), ("mre", "entity-start")])
def test_variants_differ_only_as_in_the_paper(name, gate, images, task, head):
    recipe, full = load_recipe(f"{name}_{task}"), load_recipe(f"hvpnet_{task}")
    assert recipe.vision is not None
    assert recipe.fusion.gate is not None
    assert (recipe.task, recipe.head.name, recipe.fusion.gate.name, recipe.vision.num_images) == (
        task,
        head,
        gate,
        images,
    )
    assert (recipe.data, recipe.text, recipe.train) == (full.data, full.text, full.train)


@pytest.mark.parametrize(("name", "full"), [("bert_crf_mner", "hvpnet_mner"), ("bert_mre", "hvpnet_mre")])
def test_the_baselines_are_hvpnet_without_its_images(name, full):
    assert load_recipe(name) == load_recipe(full, ["vision=null", "fusion=none"])


def test_images_mixed_by_a_head_cannot_be_masked():
    for settings in (["fusion.head_layout=release", "vision.missing=zeros"], ["fusion.head_layout=split"]):
        load_recipe("hvpnet_mner", settings, load_registry())
    with raises(RecipeError, "recipe-invalid") as caught:
        load_recipe("hvpnet_mner", ["fusion.head_layout=release"], load_registry())
    assert [(problem.location, problem.message.code) for problem in caught.value.problems] == [
        ("--set fusion.head_layout=release", "missing-images-unmasked")
    ]
