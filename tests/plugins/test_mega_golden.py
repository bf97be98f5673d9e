"""Network and structural alignment have the numbers of the authors' code, or of their functions on the right graph."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from golden import (
    LOSSES,
    Golden,
    assert_near,
    bert_of,
    golden_cases,
    gradient_norms,
    load_bert,
    load_module,
    pairs_of_entities,
    texts_of,
)
from torch import Tensor, nn

from hvpkit.interfaces import FusionContext, HeadContext, ImageBatch, LevelInfo, TextBatch, Visual, VisualBackbone
from hvpkit.model.heads.classifiers import ClsHead
from hvpkit.model.text.hugging_face import HuggingFaceEncoder
from hvpkit.model.text.input_layout import UNUSED_MARKERS
from hvpkit.registry import load_registry
from hvpkit.types import Labels
from hvpkit_plugins.mega.alignment import align, keep_nearest, node_features, similarities
from hvpkit_plugins.mega.fusion import MegaFusion

mega = load_registry().get("fusion", "mega").factory
PREFIX = "sentence_encoder."
MAPS = {
    "words": "linear_hidden",
    "objects": "linear_pic",
    "semantic.query": "linear_q",
    "semantic.key": "linear_k",
    "semantic.value": "linear_v",
    "pool.linear": "linear_final1",
    "join": "linear_final",
}
UNUSED = ("linear_merge.", "linear.", "bert.pooler.")
PUBLISHED = {"pads_seen": True, "empty_objects_seen": True}
VARIANTS = {
    "true_R": PUBLISHED,
    "published_reshape": PUBLISHED | {"reshape": True},
    "pads_hidden": {"empty_objects_seen": True},
    "pads_and_empty_objects_hidden": {},
}
GRAPHS = ("one_sentence_no_relation", "one_sentence_three_relations", "two_sentences_many_relations")


class FeatureBackbone(VisualBackbone):
    """A backbone that only declares the width of its features."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.levels = (LevelInfo(channels, 1, cells=1),)

    def transform(self, image: object) -> Tensor:
        raise NotImplementedError

    def forward(self, pixels: Tensor) -> list[Tensor]:
        raise NotImplementedError


def system_of(golden: Golden, variant: str) -> tuple[HuggingFaceEncoder, MegaFusion, ClsHead, dict[str, nn.Module]]:
    """The network with golden weights, in evaluation mode, and its parts by the authors' names."""
    config, weights = golden["config"], golden.parameters("B")
    encoder = bert_of(config["bert"], golden["vocab"], UNUSED_MARKERS)
    load_bert(encoder, weights, f"{PREFIX}bert.")
    labels = Labels("mre", tuple(f"r{i}" for i in range(config["classes"])))
    backbone = FeatureBackbone(config["pic_feat"])
    context = FusionContext(labels, encoder, backbone, 1, False, config["objects"], lambda kind, spec, context: None)
    context = replace(context, max_length=config["max_length"])
    fusion: MegaFusion = mega(context, dependencies="chain", **VARIANTS[variant])
    head = ClsHead(HeadContext(labels, fusion.width), dropout=0.5)
    modules = {f"{PREFIX}{theirs}": fusion.get_submodule(ours) for ours, theirs in MAPS.items()} | {"fc": head.linear}
    for name, module in modules.items():
        load_module(module, weights, f"{name}.")
    return encoder.eval(), fusion.eval(), head.eval(), modules | {f"{PREFIX}bert": encoder.model}


def inputs_of(golden: Golden) -> tuple[TextBatch, Visual, dict[str, Tensor]]:
    """The texts, features of objects (missing if they are all 0) and alignments, which formulas make."""
    config, checks = golden["config"], golden["checks"]
    generator, size = torch.Generator().manual_seed(golden.seed), len(golden["items"])
    features = torch.randn(size, config["objects"], config["pic_feat"], generator=generator)
    features[1, 6:] = 0
    features[2] = 0
    shape = (size, config["objects"], config["max_length"])
    rows = torch.rand(*shape, generator=generator) * (torch.rand(*shape, generator=generator) < 0.5)
    assert float(features.sum()) == pytest.approx(checks["pic_sum"], abs=1e-4)
    assert float(rows.sum()) == pytest.approx(checks["R_sum"], abs=1e-4)
    assert int((rows != 0).sum()) == checks["R_nonzero"]
    mask = features.abs().sum(-1) > 0
    assert torch.equal(mask, golden.tensor("own_oracle", "objects_mask") > 0)
    names = ("token", "attention_mask", "pos_head", "pos_tail")
    ids, text_mask, head, tail = (golden.tensor(name) for name in names)
    text = texts_of(ids, text_mask, head[:, 0], tail[:, 0])
    visual = Visual((features[..., None],), ImageBatch(mask, torch.zeros(*mask.shape, 4)))
    return text, visual, {"alignment": rows.transpose(1, 2)}


def near(actual: Tensor, expected: object) -> None:
    assert_near(actual, expected, LOSSES, 1e-5)


def expected_of(golden: Golden, variant: str) -> dict:
    return golden[variant] if variant in golden.values else golden["own_oracle"][variant]


@golden_cases("mega")
def test_wordpieces_and_markers_are_the_same(golden):
    encoder, *_ = system_of(golden, "true_R")
    for i, example in enumerate(pairs_of_entities(golden["items"])[:2]):  # those of the third overlap
        encoded = encoder.encode(example, golden["config"]["max_length"])
        expected = golden.tensor("token", i)
        assert encoded.features["input_ids"].tolist() == expected[expected > 0].tolist()
        assert (encoded.head_position, encoded.tail_position) == (golden["pos_head"][i][0], golden["pos_tail"][i][0])


@golden_cases("mega")
@pytest.mark.parametrize("variant", VARIANTS)
def test_vectors_logits_and_loss_are_the_same(golden, variant):
    encoder, fusion, head, _ = system_of(golden, variant)
    (text, visual, extras), expected = inputs_of(golden), expected_of(golden, variant)
    states = encoder(text).states
    near(states[..., :6][text.mask], golden.tensor("hidden")[text.mask])
    words = fusion.words(states)
    near(fusion.object_vector(words, text, visual, extras)[:, :12], expected["O"])
    fused = fusion(encoder, text, visual, extras)
    logits = head(fused, text)
    near(logits, expected["logits"])
    near(head.loss(logits, text, {"relation": golden.tensor("labels")}), expected["loss"])
    if "x" in expected:
        near(fused.pooled[:, :12], expected["x"])
        (attended, structural), _ = fusion._aligned(words, visual.cells()[0], text, extras)
        near(attended[..., :6], expected["P"])
        near(structural[..., :6], expected["S"])
        assert [relation.label for relation in head.decode(logits, text)] == [f"r{i}" for i in expected["predicted"]]


@golden_cases("mega")
def test_gradients_have_the_norms_of_the_authors(golden):
    encoder, fusion, head, modules = system_of(golden, "true_R")
    text, visual, extras = inputs_of(golden)
    loss = head.loss(head(fusion(encoder, text, visual, extras), text), text, {"relation": golden.tensor("labels")})
    parameters = {
        f"{name}.{one}": parameter for name, module in modules.items() for one, parameter in module.named_parameters()
    }
    norms = gradient_norms(loss, parameters)
    expected = {name: norm for name, norm in golden["true_R"]["grad_norms"].items() if norm is not None}
    unused = {name for name in golden["parameters"] if name.removeprefix(PREFIX).startswith(UNUSED)}
    assert not unused & set(expected)
    assert {name for name, norm in norms.items() if norm is not None} == set(expected)
    for name, norm in expected.items():
        assert norms[name] == pytest.approx(norm, rel=1e-3, abs=5e-5), name


@golden_cases("mega")
@pytest.mark.parametrize("form", ["published", "corrected"])
@pytest.mark.parametrize("graph", GRAPHS)
def test_features_and_alignment_of_nodes_are_those_of_the_authors(golden, graph, form):
    """Also on the published graphs, whose numbers of nodes are wrong."""
    expected = golden["alignment"][graph][form]
    edges = expected["edge_lines"] if form == "published" else expected["edges"]
    features = node_features(expected["nodes"], edges)
    wanted = golden.tensor("alignment", graph, form, "features").double()
    torch.testing.assert_close(features, torch.nn.functional.pad(wanted, (0, features.shape[1] - wanted.shape[1])))
    gram = 1 - similarities(features, features).log().square() / 2  # A = exp(-sqrt(2 - 2 C))
    assert_near(gram, expected["gram"], 2e-6)
    rows, objects = expected["rows"], expected["nodes"] - expected["rows"]
    alignment = align(rows, objects, edges)
    assert_near(alignment, expected["alignment_all"], 2e-6)
    kept = keep_nearest(alignment, torch.ones(objects, dtype=torch.bool), 5).sort(dim=1, descending=True).values
    assert_near(kept[:, :5], expected["alignment_top5_values"], 2e-6)
    assert not kept[:, 5:].any()


@golden_cases("mega")
@pytest.mark.parametrize("graph", GRAPHS)
def test_the_corrected_graph_joins_the_arcs_of_sentences_and_the_relations_of_objects(golden, graph):
    case = golden["alignment"][graph]
    edges, start = [], 0
    for length, arcs in zip(case["sentences"], case["dependency_arcs"], strict=True):
        edges += [(one + start, other + start) for one, other in arcs]
        start += length
    edges += [(one + start, other + start) for one, other in case["object_relations"]]
    assert_near(align(start, golden["config"]["objects"], edges), case["corrected"]["alignment_all"], 2e-6)
