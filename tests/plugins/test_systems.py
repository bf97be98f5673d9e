"""Whole systems from a recipe to a prediction and its explanation, as a person types it."""

from __future__ import annotations

import json
import sys

import pytest
import tiny

import hvpkit
from hvpkit.cli import main
from hvpkit.config.loading import load_recipe
from hvpkit.explain.explain_example import explain_example
from hvpkit.inference.inputs import parse_example

VISION = "vision={backbone: cnn-from-scratch, weights: random, width: 4, image_size: 32, max_objects: 2, grid: 2, frozen: false}"  # noqa: E501
SMALL_BERT = "text={encoder: bert-from-scratch, width: 16, num_layers: 1, num_attention_heads: 2}"
SYSTEMS = {
    "adapcoatt": ("fusion={name: adapcoatt}",),
    "ifaformer": ("fusion={name: ifa}",),
    "mkgformer": ("fusion={name: m-encoder}",),
    "ocsga": ("text={encoder: char-bilstm, hidden: 8, word_width: 8}", "fusion={name: ocsga, object_width: 8}"),
    "umgf": ("fusion={name: umgf, graph_width: 16, num_layers: 2, num_attention_heads: 2}",),
    "umt": ("fusion={name: umt}",),
    "visualbert": (
        "fusion={name: visualbert}",
        "text={encoder: visualbert-from-scratch, width: 16, num_layers: 1, num_attention_heads: 2, region_width: 32}",
    ),
}


TEXT_ALONE = {
    "cnn-bilstm-crf": ("mner", "text={encoder: cnn-bilstm, hidden: 8, word_width: 8}", "head=crf"),
    "hbilstm-crf": ("mner", "text={encoder: hbilstm, hidden: 8, word_width: 8}", "head=crf-iobes"),
    "mtb": ("mre", SMALL_BERT, "fusion=mtb", "head=cls"),
    "mtb-masked": ("mre", SMALL_BERT, "fusion={name: mtb, mask_entities: true}", "head=cls"),
    "mtb-blanks": ("mre", SMALL_BERT, "fusion={name: matching-the-blanks, group_size: 4}", "head=cls"),
    "pcnn": ("mre", "text={encoder: pcnn, filters: 8, word_width: 8}", "head=piecewise-max"),
}
PAIR = ("--head", "Ada", "--tail", "Paris")


@pytest.fixture
def hvp(monkeypatch, capsys):
    """Type `hvp ... --json` in this process; gives the document."""

    def run(*words: str) -> dict:
        monkeypatch.setattr(sys, "argv", ["hvp", *words, "--json"])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        assert not ended.value.code, captured.err
        return json.loads(captured.out)

    return run


def answer(said: dict) -> object:
    """Return what was predicted: the relation, or each entity's words and type."""
    relation = said.get("relation")
    if relation is None:
        return [(entity["start"], entity["end"], entity["type"]) for entity in said["entities"]]
    return relation["label"] if isinstance(relation, dict) else relation


@pytest.mark.parametrize("task", ["mner", "mre"])
@pytest.mark.parametrize("system", SYSTEMS)
def test_it_is_trained_scored_and_predicts(hvp, system, task, request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = request.getfixturevalue(f"{task}_data")
    tiny.recipe(tmp_path, data.folder, task)
    settings = [word for setting in (VISION, *SYSTEMS[system]) for word in ("--set", setting)]
    trained = hvp("train", "tiny.yaml", *settings)
    assert hvp("eval", trained["model"])["scores"]["overall"]["f1"] == trained["test"]["overall"]["f1"]
    image = str(tiny.draw(tmp_path / "x.png", 3))
    question = (
        "--model",
        trained["model"],
        "--text",
        "Ada visits Paris",
        "--image",
        image,
        *(PAIR if task == "mre" else ()),
    )
    asked = hvp("predict", *question)
    assert {"mner": "entities", "mre": "relation"}[task] in asked
    assert asked["image_used"] is True
    typed = hvp("explain", *question)
    assert answer(typed["prediction"]) == answer(asked)
    assert {change["kind"] for change in typed["counterfactuals"]} == {"no images", "no full image", "other image"}
    predictor = hvpkit.load(trained["model"], device="cpu")
    explained = explain_example(
        predictor, parse_example(data.examples("test")[0], predictor.folder.recipe)
    )  # with two objects
    assert [change.kind for change in explained.counterfactuals] == [
        "no images",
        "no object",
        "no object",
        "no full image",
    ]
    attention = [shares for shares in explained.attention if shares is not None]
    assert attention
    for shares in attention:
        for images, text in zip(shares.cells, shares.text, strict=True):
            assert [len(image) for image in images] == [4, 4, 4]
            assert sum(map(sum, images)) + text == pytest.approx(1.0, abs=1e-4)
    assert bool(explained.extra_tensors) == (system not in {"umgf", "visualbert", "mkgformer", "ifaformer"})


@pytest.mark.parametrize("system", TEXT_ALONE)
def test_text_only_model_is_trained_scored_and_explained_without_images(hvp, system, request, tmp_path, monkeypatch):
    task, *settings = TEXT_ALONE[system]
    monkeypatch.chdir(tmp_path)
    tiny.recipe(tmp_path, request.getfixturevalue(f"{task}_data").folder, task, images=False)
    trained = hvp("train", "tiny.yaml", *(word for setting in settings for word in ("--set", setting)))
    assert hvp("eval", trained["model"])["scores"]["overall"]["f1"] == trained["test"]["overall"]["f1"]
    image = str(tiny.draw(tmp_path / "x.png", 3))
    question = (
        "--model",
        trained["model"],
        "--text",
        "Ada visits Paris",
        "--image",
        image,
        *(PAIR if task == "mre" else ()),
    )
    asked, explained = hvp("predict", *question), hvp("explain", *question)
    assert asked["image_used"] is False
    assert answer(explained["prediction"]) == answer(asked)
    assert explained["counterfactuals"] == []


@pytest.mark.parametrize(("task", "epochs"), [("mner", 20), ("mre", 12)])
@pytest.mark.parametrize("system", ["adapcoatt", "umgf", "ifaformer", "mkgformer", "umt", "visualbert"])
def test_common_settings_are_the_same_for_all_and_use_the_paper_s_images(system, task, epochs):
    common, paper = load_recipe(f"{system}_common_{task}"), load_recipe(f"hvpnet_{task}")
    train = common.train
    assert (common.vision, common.data, common.head, common.text.name) == (
        paper.vision,
        paper.data,
        paper.head,
        paper.text.name,
    )
    assert (train.epochs, train.batch_size, train.lr, train.head_lr, train.fusion_lr) == (epochs, 16, 3e-5, 1e-3, 1e-3)
    assert (train.warmup, train.weight_decay, train.max_grad_norm, train.first_eval_epoch) == (0.1, 0.01, 1.0, 1)


def test_the_paper_settings_are_those_of_the_sources():
    umt, visualbert = load_recipe("umt_mner"), load_recipe("visualbert_mner")
    assert umt.vision is not None and visualbert.vision is not None
    assert (umt.vision.backbone, umt.vision.grid, umt.vision.full_image, umt.vision.max_objects) == (
        "resnet152",
        7,
        True,
        0,
    )
    assert (umt.train.batch_size, umt.train.lr, umt.train.epochs, umt.train.warmup, umt.train.seed) == (
        32,
        5e-5,
        22,
        0.1,
        32,
    )
    assert (visualbert.vision.backbone, visualbert.vision.num_images, visualbert.text.options["tokenizer"]) == (
        "object-roi",
        10,
        "bert-base-uncased",
    )
    train = visualbert.train
    assert (train.batch_size, train.lr, train.epochs, train.warmup, train.max_grad_norm) == (32, 5e-5, 20, 0.0, 1.0)
    for name in ("umt", "visualbert"):
        one, other = load_recipe(f"{name}_mre"), load_recipe(f"{name}_mner")
        assert (one.train, one.text, one.vision) == (other.train, other.text, other.vision)
