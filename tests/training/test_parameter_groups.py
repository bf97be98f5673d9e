import tiny
from torch import nn

from hvpkit.model.model import build_model
from hvpkit.model.text.partial_embedding import PartialEmbedding
from hvpkit.registry import load_registry
from hvpkit.training.parameter_groups import parameter_groups

RATES = (
    "train.lr=1e-5",
    "train.fusion_lr=2e-5",
    "train.vision_lr=3e-5",
    "train.head_lr=4e-3",
    "train.weight_decay=0.1",
)


def _groups(mner_data, tmp_path, *overrides):
    recipe = tiny.recipe(tmp_path, mner_data.folder, "mner", overrides=(*RATES, *overrides))
    model = build_model(recipe, load_registry(), mner_data.labels, mner_data.examples("train"))
    return model, parameter_groups(model, recipe.train)


def test_each_part_learns_at_its_own_rate(mner_data, tmp_path):
    _, groups = _groups(mner_data, tmp_path, "vision.frozen=false")
    assert {(group["name"], group["lr"]) for group in groups} == {
        ("text", 1e-5),
        ("fusion", 2e-5),
        ("vision", 3e-5),
        ("head", 4e-3),
    }


def test_a_rate_not_given_is_that_of_the_text(mner_data, tmp_path):
    _, groups = _groups(mner_data, tmp_path, "train.head_lr=null")
    assert {group["lr"] for group in groups if group["name"] == "head"} == {1e-5}


def test_biases_norms_vectors_and_embeddings_do_not_decay_and_matrices_do(mner_data, tmp_path):
    model, groups = _groups(mner_data, tmp_path, "vision.frozen=false")
    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            not_decayed = isinstance(module, (nn.LayerNorm, nn.BatchNorm2d, nn.Embedding, PartialEmbedding))
            assert decay[id(parameter)] == (0.0 if not_decayed or name.endswith("bias") or parameter.dim() < 2 else 0.1)


def test_every_trained_parameter_is_in_one_group_and_a_frozen_backbone_in_none(mner_data, tmp_path):
    model, groups = _groups(mner_data, tmp_path)
    grouped = [id(p) for group in groups for p in group["params"]]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {id(p) for part in (model.text, model.fusion, model.head) for p in part.parameters()}
