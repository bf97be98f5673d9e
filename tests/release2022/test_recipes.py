"""The release's settings in training, at a small size."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import small_models
import torch
from raising import raises
from release2022.released import fill
from safetensors.torch import load_file
from transformers.trainer_utils import set_seed

from hvpkit import load, release2022
from hvpkit.config.loading import load_recipe
from hvpkit.config.recipe import Recipe
from hvpkit.errors import InputError, ModelFolderError, RecipeError
from hvpkit.evaluation.evaluate import evaluate
from hvpkit.labels.inventory import tag_labels
from hvpkit.model.model import build_model
from hvpkit.registry import load_registry
from hvpkit.release2022.names import TAGS
from hvpkit.saving.model_folder import ModelFolder, open_model_folder
from hvpkit.saving.weights import save_model
from hvpkit.training.parameter_groups import parameter_groups
from hvpkit.training.train import train

SMALL = (
    "vision.backbone=resnet18",
    "vision.weights=random",
    "vision.image_size=64",
    "data.max_length=24",
    "train.epochs=1",
    "train.first_eval_epoch=1",
)


@pytest.fixture(scope="module")
def bert(tmp_path_factory) -> Path:
    return small_models.save_encoder(tmp_path_factory.mktemp("bert"), "bert")


def recipe_of(task: str, bert: Path, data: Path, *settings: str) -> Recipe:
    return load_recipe(f"release_{task}", [*SMALL, f"text.name={bert}", f"data.folder={data}", *settings])


def test_a_trained_model_keeps_its_scores_and_is_exported(tmp_path, bert, mner_data):
    recipe = recipe_of("mner", bert, mner_data.folder)
    finished = train(recipe, load_registry(), tmp_path / "model")
    again = evaluate(open_model_folder(tmp_path / "model"), "test")
    assert finished.test.overall == again.scores.overall
    names = open_model_folder(tmp_path / "model").labels.names
    assert names[0] == "O" and len(names) < len(TAGS)
    with raises(ModelFolderError, "tags-mismatch", model=tmp_path / "model", expected=TAGS):
        release2022.export_release(tmp_path / "model", tmp_path / "x.pth")


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_frozen_head_stays_and_batchnorm_statistics_change_on_request(tmp_path, bert, mre_data, mode):
    recipe = recipe_of(
        "mre", bert, mre_data.folder, "train.freeze_head=true", f"train.backbone_mode={mode}", "train.lr=1e-3"
    )
    set_seed(recipe.train.seed)
    before = build_model(recipe, load_registry(), mre_data.labels, mre_data.examples("train")).state_dict()
    train(recipe, load_registry(), tmp_path / "model")
    after = load_file(tmp_path / "model" / "weights.safetensors")
    moved = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    assert not any(name.startswith("head.") for name in moved)
    assert any(name.startswith("text.") for name in moved) and any(name.startswith("fusion.") for name in moved)
    assert {name.rpartition(".")[2] for name in moved if name.startswith("vision.")} == (
        {"running_mean", "running_var", "num_batches_tracked"} if mode == "train" else set()
    )
    exported = release2022.export_release(tmp_path / "model", tmp_path / "x.pth")
    assert exported.made == (
        "bert.embeddings.position_ids",
        "bert.pooler.dense.bias",
        "bert.pooler.dense.weight",
        "image_model.resnet.fc.bias",
        "image_model.resnet.fc.weight",
    )
    ids = json.loads(exported.relations.read_text(encoding="utf-8"))
    assert (
        exported.relations == tmp_path / "x.rel2id.json"
        and list(ids) == list(mre_data.labels.names)
        and ids["None"] == 0
    )
    exported.checkpoint.unlink()
    with raises(InputError, "output-exists", output=tmp_path / "x.rel2id.json"):
        release2022.export_release(tmp_path / "model", tmp_path / "x.pth")
    assert not exported.checkpoint.exists()
    prediction = load(tmp_path / "model", device="cpu").predict(
        "Ada Lovelace visits Paris", head="Ada Lovelace", tail="Paris"
    )
    assert prediction.relation.label in mre_data.labels.names


def test_all_parameters_are_decayed_and_a_frozen_head_is_in_no_group(bert, mre_data):
    for setting, decays in (("train.decay_all=false", {0.0, 0.01}), ("train.decay_all=true", {0.01})):
        recipe = recipe_of("mre", bert, mre_data.folder, setting)
        model = build_model(recipe, load_registry(), mre_data.labels, mre_data.examples("train"))
        assert {group["weight_decay"] for group in parameter_groups(model, recipe.train)} == decays
        frozen = recipe_of("mre", bert, mre_data.folder, setting, "train.freeze_head=true")
        assert {group["name"] for group in parameter_groups(model, frozen.train)} == {"text", "fusion"}
        assert {group["name"] for group in parameter_groups(model, recipe.train)} == {"text", "fusion", "head"}


def test_wordpiece_scoring_needs_a_wordpiece_head():
    with raises(RecipeError, "recipe-invalid") as refused:
        load_recipe("hvpnet_mner", ["scoring=wordpieces"])
    assert [problem.message.code for problem in refused.value.problems] == ["wordpiece-scores-of-words"]
    assert load_recipe("release_mner").scoring == "wordpieces"


@pytest.mark.parametrize("name", ["release_mner", "release_mre"])
def test_oddities_of_training_are_off(name):
    spec = load_recipe(name).train
    assert (spec.freeze_head, spec.backbone_mode, spec.sampling) == (False, "eval", "without-replacement")


@torch.no_grad()
def test_tags_are_exported_in_the_release_s_order(tmp_path, bert, mner_data):
    labels = tag_labels()
    assert set(labels.names) == set(TAGS) and labels.names != TAGS
    recipe = recipe_of("mner", bert, mner_data.folder)
    model = build_model(recipe, load_registry(), labels, mner_data.examples("train")).eval()
    for name, tensor in model.state_dict().items():
        tensor.copy_(fill(name, tensor, 4))
    save_model(model, ModelFolder(tmp_path / "model", recipe, labels, load_registry(), {}), "card\n")
    assert release2022.export_release(tmp_path / "model", tmp_path / "x.pth").relations is None
    assert sorted(path.name for path in tmp_path.glob("x*")) == ["x.pth"]
    exported = torch.load(tmp_path / "x.pth", weights_only=True)
    ours, theirs = ["PAD", *labels.names, "X", "[CLS]", "[SEP]"], ["PAD", *TAGS, "X", "[CLS]", "[SEP]"]
    for i, first in enumerate(theirs):
        assert torch.equal(exported["fc.weight"][i], model.head.linear.weight[ours.index(first)])
        assert exported["crf.end_transitions"][i] == model.head.crf.end_transitions[ours.index(first)]
        for j, second in enumerate(theirs):
            assert (
                exported["crf.transitions"][i, j] == model.head.crf.transitions[ours.index(first), ours.index(second)]
            )
