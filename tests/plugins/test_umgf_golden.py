"""The network with the weights of the golden files has the numbers of the authors' code.

That code tags wordpieces with 13 tags. The plugin tags words; the tests add the authors' classifier to its states for
the published loss and paths, and compare the plugin's own scores with the derived ones of words. Each layer is also
compared on inputs of its own, since queries and keys of the upper layers hardly change the result of the stack.
"""

from __future__ import annotations

from dataclasses import replace

import golden_bert
import pytest
import torch
from golden import LOSSES, Golden, assert_near, assign, golden_cases, gradient_norms, load_module
from golden_bert import LENGTHS, GoldenBert
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torchcrf import CRF

from hvpkit.interfaces import HeadContext, ImageBatch, TextBatch, Visual
from hvpkit.registry import load_registry
from hvpkit.types import Labels
from hvpkit_plugins.umgf.fusion import UmgfFusion
from hvpkit_plugins.umgf.layers import Graph, GraphLayer, LayerSizes

REGISTRY = load_registry()
umgf = REGISTRY.get("fusion", "umgf").factory
LAYER = {
    "word_attention.query": "mhatt_x.{}.linears.0",
    "word_attention.key": "mhatt_x.{}.linears.1",
    "word_attention.value": "mhatt_x.{}.linears.2",
    "word_attention.output": "mhatt_x.{}.linears.3",
    "object_attention.query": "mhatt_o.{}.linears.0",
    "object_attention.key": "mhatt_o.{}.linears.1",
    "word_norm": "res4mes_x.{}.norm",
    "object_norm": "res4mes_o.{}.norm",
    "word_update.gate": "mhatt_x2o.{}",
    "object_update.gate": "mhatt_o2x.{}",
    "word_update.message_norm": "xgate.{}.norm",
    "object_update.message_norm": "ogate.{}.norm",
    "word_update.feedforward.0": "ffn_x.{}.w_1",
    "word_update.feedforward.2": "ffn_x.{}.w_2",
    "object_update.feedforward.0": "ffn_o.{}.w_1",
    "object_update.feedforward.2": "ffn_o.{}.w_2",
    "word_update.feedforward_norm": "res4ffn_x.{}.norm",
    "object_update.feedforward_norm": "res4ffn_o.{}.norm",
}
MAPS = {"words": "trans_txt", "features": "resnet.fc", "objects.0": "trans_obj.0", "objects.3": "trans_obj.3"}
NAMES = (*(f"{letter}-{name}" for name in ("PER", "LOC", "ORG", "OTHER") for letter in "BI"), "O")
WORD_TAGS = slice(1, 10)  # of the tags of wordpieces, those of words


def parts(layer: GraphLayer, number: int) -> dict[str, nn.Module]:
    """The parts of a layer by the authors' names; the last layer has no update of objects."""
    updated = LAYER if layer.object_update is not None else [ours for ours in LAYER if "object_update" not in ours]
    return {LAYER[ours].format(number): layer.get_submodule(ours) for ours in updated}


def modules_of(fusion: UmgfFusion) -> dict[str, nn.Module]:
    """All parts of the fusion by the authors' names."""
    modules = {theirs: fusion.get_submodule(ours) for ours, theirs in MAPS.items()}
    for number, layer in enumerate(fusion.layers):
        assert isinstance(layer, GraphLayer)
        modules |= parts(layer, number)
    return modules


def golden_model(golden: Golden) -> tuple[UmgfFusion, GoldenBert, TextBatch, Visual, dict[str, Tensor]]:
    weights, config = golden.parameters("A"), golden["config"]
    text, objects = golden_bert.wordpieces_and_images(golden, (config["crops"], config["channels"]))
    encoder = golden_bert.golden_bert(golden, weights, config["bert_layers"])
    context = replace(
        golden_bert.fusion_context(encoder, config["channels"], 1), full_image=False, max_objects=config["crops"]
    )
    sizes = {"graph_width": config["d_model"], "feedforward_width": config["d_hidden"]}
    fusion: UmgfFusion = umgf(
        context, **sizes, num_layers=config["layers"], num_attention_heads=config["heads"], edges="phrases"
    ).eval()
    for name, module in modules_of(fusion).items():
        load_module(module, weights, f"{name}.")
    mask = torch.ones(objects.shape[:2], dtype=torch.bool)
    visual = Visual((objects[..., None],), ImageBatch(mask, torch.zeros(*mask.shape, 4), features=(objects,)))
    return fusion, encoder, text, visual, weights


def full_edges(text: TextBatch, visual: Visual) -> Tensor:
    return (text.mask[:, :, None] & visual.mask[:, None]).float()


@golden_cases("umgf")
def test_states_of_the_first_and_last_layer_are_those_of_the_authors(golden):
    fusion, encoder, text, visual, _ = golden_model(golden)
    cells, exists = visual.cells()
    graph, real = Graph(text.mask, exists, full_edges(text, visual)), text.mask
    states = encoder(text).states
    assert_near(states[real], golden.tensor("H")[real])
    words, objects = fusion.words(states), fusion.objects(fusion.features(cells))
    assert_near(words[real], golden.tensor("x0")[real])
    assert_near(objects, golden["o0"])
    for number, layer in enumerate(fusion.layers):
        if key := {0: "layer0", len(fusion.layers) - 1: "layer5"}.get(number):
            compare_layer(golden, key, layer, (words, objects), graph)
        words, objects = layer(words, objects, graph)
        assert_near(words.flatten(1).norm(dim=1), golden["text_norms"][number], 1e-4)  # padding receives no messages
        if layer.object_update is not None:
            assert_near(objects.flatten(1).norm(dim=1), golden["object_norms"][number], 1e-4)


def compare_layer(golden: Golden, key: str, layer: GraphLayer, inputs: tuple[Tensor, Tensor], graph: Graph) -> None:
    """Compare each step of a layer."""
    real, expected, (words, objects) = graph.words, golden[key], inputs

    def compare(words: Tensor, objects: Tensor | None, text_key: str, object_key: str) -> None:
        assert_near(words[real], golden.tensor(key, text_key)[real])
        if objects is not None:
            assert_near(objects, expected[object_key])

    attended = layer.word_attention(words, real), layer.object_attention(objects, graph.objects)
    compare(*attended, "attended_text", "attended_objects")
    words, objects = layer.attend(words, objects, graph)
    compare(words, objects, "text_after_self", "objects_after_self")
    crossed = layer.word_update.add_message(words, layer.messages_to_words(words, objects, graph).sum(2))
    update = layer.object_update
    message = None if update is None else layer.messages_to_objects(words, objects, graph).sum(1)
    compare(
        crossed,
        None if update is None else update.add_message(objects, message),
        "text_after_cross",
        "objects_after_cross",
    )
    new_words, new_objects = layer(*inputs, graph)
    compare(new_words, None if update is None else new_objects, "text", "objects")


@golden_cases("umgf")
def test_each_layer_alone_is_that_of_the_authors(golden):
    fusion, _, text, visual, weights = golden_model(golden)
    config = golden["config"]
    graph = Graph(text.mask, visual.mask, full_edges(text, visual))
    sizes = LayerSizes(config["d_model"], config["d_hidden"], config["heads"], 0.4)
    for number, block in enumerate(golden["blocks"]):
        generator = torch.Generator().manual_seed(1000 * golden.seed + number)
        words = torch.randn(len(LENGTHS), max(LENGTHS), config["d_model"], generator=generator)
        objects = torch.randn(len(LENGTHS), config["crops"], config["d_model"], generator=generator)
        layer = GraphLayer(sizes).eval()
        for name, module in parts(layer, number).items():
            load_module(module, weights, f"{name}.")
        for tensor, key in zip(layer(words, objects, graph), ("text", "objects"), strict=True):
            real = text.mask if key == "text" else visual.mask
            assert_near(tensor[real], torch.tensor(block[key])[real])
        stacked, _ = fusion.layers[number](words, objects, graph)
        assert_near(stacked[text.mask], torch.tensor(block["text"])[text.mask])


def authors_scores(golden: Golden, edges: Tensor | None = None) -> tuple[Tensor, Tensor, list[list[int]], dict]:
    """Score wordpieces by the authors' classifier and CRF on the plugin's states."""
    fusion, encoder, text, visual, weights = golden_model(golden)
    linear, tags = nn.Linear(fusion.width, len(golden["config"]["tags"])), len(golden["config"]["tags"])
    crf = CRF(tags, batch_first=True)
    modules = {"hidden2tag": linear, "crf": crf}
    for name, module in modules.items():
        load_module(module, weights, f"{name}.")
    edges = full_edges(text, visual) if edges is None else edges
    emissions = linear(fusion(encoder, text, visual, {"edges": edges}).states)
    loss = -crf(emissions, golden.tensor("labels"), text.mask, reduction="sum")
    everything = modules | modules_of(fusion) | {"bert": encoder.model}
    return emissions, loss, crf.decode(emissions, text.mask), everything


@golden_cases("umgf")
@pytest.mark.parametrize("links", ["all", "partial", "none"])
def test_with_the_authors_classifier_loss_and_paths_are_those_of_the_authors(golden, links):
    expected = {"all": golden.values, "partial": golden["partial_edges"], "none": golden["no_edges"]}[links]
    shape = (len(LENGTHS), max(LENGTHS), golden["config"]["crops"])
    edges = {"all": None, "partial": expected.get("edges"), "none": torch.zeros(shape)}[links]
    edges = edges if edges is None else torch.as_tensor(edges, dtype=torch.float32)
    emissions, loss, paths, _ = authors_scores(golden, edges)
    real = golden.tensor("mask").bool()
    assert_near(emissions[real], torch.tensor(expected["emissions"])[real])
    assert_near(loss, expected["loss"], LOSSES, 1e-5)
    if "paths" in expected:
        assert paths == [row[:length] for row, length in zip(expected["paths"], LENGTHS, strict=True)]


@golden_cases("umgf")
def test_gradients_have_the_norms_of_the_authors(golden):
    _, loss, _, modules = authors_scores(golden)
    parameters = {
        f"{name}.{one}": parameter for name, module in modules.items() for one, parameter in module.named_parameters()
    }
    norms = gradient_norms(loss, parameters)
    assert set(golden["gradient_norms"]) == {name for name, norm in norms.items() if norm is not None}
    for name, expected in golden["gradient_norms"].items():
        assert norms[name] == pytest.approx(expected, rel=1e-3, abs=5e-5), name


@golden_cases("umgf")
def test_the_tagger_of_words_has_the_derived_emissions_losses_and_paths(golden):
    fusion, encoder, text, visual, weights = golden_model(golden)
    head = REGISTRY.build("head", "crf", HeadContext(Labels("mner", NAMES), fusion.width), {"dropout": 0.0}).eval()
    for name in ("weight", "bias"):
        assign(getattr(head.linear, name), weights[f"hidden2tag.{name}"][WORD_TAGS])
    assign(head.crf.start_transitions, weights["crf.start_transitions"][WORD_TAGS])
    assign(head.crf.end_transitions, weights["crf.end_transitions"][WORD_TAGS])
    assign(head.crf.transitions, weights["crf.transitions"][WORD_TAGS, WORD_TAGS])
    expected = golden["derived_word_level"]
    emissions = head(fusion(encoder, text, visual, {"edges": full_edges(text, visual)}), text)
    starts = text.word_starts[..., None].expand(-1, -1, len(golden["config"]["tags"]))
    wanted = golden.tensor("emissions").gather(1, starts)[..., WORD_TAGS]
    assert_near(emissions[text.word_mask], wanted[text.word_mask])
    tags = pad_sequence([torch.tensor(row) for row in expected["tags"]], batch_first=True)
    loss = head.loss(emissions, text, {"tags": tags})
    assert_near(loss, expected["loss_mean"], LOSSES)
    assert_near(loss * len(LENGTHS), expected["loss_sum"], LOSSES, 1e-5)
    assert head.crf.decode(emissions, text.word_mask) == expected["paths"]
