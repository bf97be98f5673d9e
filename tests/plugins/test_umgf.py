from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import tiny
import torch
from raising import raises

import hvpkit
from hvpkit.batching import Batcher
from hvpkit.config.loading import load_recipe
from hvpkit.errors import ComponentError
from hvpkit.explain.explain_example import explain_example
from hvpkit.inference.inputs import parse_example
from hvpkit.interfaces import Trace, Visual
from hvpkit.model.model import build_model
from hvpkit.registry import load_registry
from hvpkit.testing import check_fusion
from hvpkit.testing.fusions import _context
from hvpkit.testing.inputs import EXAMPLES, encode, random_visual, small_bert, stack, text_batch, without_images
from hvpkit.training.train import train
from hvpkit.types import Example, VisualObject
from hvpkit_plugins.umgf.layers import Graph, GraphLayer, LayerSizes
from hvpkit_plugins.umgf.phrases import phrase_edges, phrase_words

REGISTRY = load_registry()
umgf = REGISTRY.get("fusion", "umgf").factory
SMALL = {"graph_width": 8, "num_layers": 3, "num_attention_heads": 2}
CELLS = 4  # of each image region


def built(task="mner", examples=None, **options):
    """A fusion, its encoder, three texts, the images of two of them, and the extra inputs."""
    torch.manual_seed(0)
    encoder, examples = small_bert(task), examples or EXAMPLES[task]
    fusion = umgf(_context(task, encoder), **SMALL | options).eval()
    encoded = encode(encoder, examples)
    extras = stack([fusion.build_inputs(*pair) for pair in zip(examples, encoded, strict=True)])
    return fusion, encoder, text_batch(encoder, encoded), random_visual((3, 3), CELLS), extras


# ------------------------------------------------------------------------------------------------------------ contract
@pytest.mark.parametrize("task", ["mner", "mre"])
@pytest.mark.parametrize(
    "options",
    [{}, {"num_layers": 1, "feedforward_width": 5}, {"edges": "phrases", "levels": "all", "dropout": 0.0}],
)
def test_with_any_options_it_keeps_the_contract(options, task):
    check_fusion(umgf, task=task, **SMALL | options)


def test_its_module_comes_without_torch():
    program = "import sys, hvpkit_plugins.umgf; print('torch' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert output == "False\n"


def test_options_that_do_not_fit_are_refused():
    with raises(ComponentError, "umgf-width-not-divisible", width=512, heads=3):
        umgf(_context("mner", small_bert("mner")), num_attention_heads=3)
    with raises(ComponentError, "umgf-without-vision"):
        umgf(replace(_context("mner", small_bert("mner")), backbone=None))


def test_without_options_the_sizes_are_those_of_the_authors():
    fusion = umgf(_context("mner", small_bert("mner")))
    layer = fusion.layers[0]
    assert (len(fusion.layers), fusion.width, layer.word_attention.heads) == (6, 16 + 512, 8)
    assert layer.word_update.feedforward[0].out_features == 256
    assert (layer.dropout.p, layer.word_attention.dropout.p, fusion.objects[2].p) == (0.4, 0.4, 0.4)


def test_layers_start_alike_and_queries_equal_keys():
    fusion, *_ = built()
    first, *others = fusion.layers
    for layer in others:
        for name, weight in layer.state_dict().items():
            assert torch.equal(weight, first.state_dict()[name]), name
    assert torch.equal(first.word_attention.query.weight, first.word_attention.key.weight)
    assert not torch.equal(first.word_attention.query.weight, first.word_attention.value.weight)
    weights = [layer.word_attention.query.weight for layer in fusion.layers]
    assert len({weight.data_ptr() for weight in weights}) == len(weights)  # they are not shared


# --------------------------------------------------------------------------------------------------------------- layer
def graph_layer(updates_objects: bool = True) -> tuple[GraphLayer, torch.Tensor, torch.Tensor, Graph]:
    """A layer with random weights; two texts of 4 and 3 words, with 3 and 2 objects and random edges."""
    torch.manual_seed(1)
    layer = GraphLayer(LayerSizes(6, 5, 2, 0.1), updates_objects).eval()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    words, objects = torch.tensor([4, 3])[:, None] > torch.arange(4), torch.tensor([3, 2])[:, None] > torch.arange(3)
    edges = (torch.rand(2, 4, 3) < 0.6) & words[:, :, None] & objects[:, None]
    return layer, torch.randn(2, 4, 6), torch.randn(2, 3, 6), Graph(words, objects, edges.float())


@torch.no_grad()
def test_a_layer_is_the_written_out_one():
    layer, words, objects, graph = graph_layer()
    new_words, new_objects = layer(words, objects, graph)
    for row, (length, number) in enumerate([(4, 3), (3, 2)]):
        x = written_attention(layer.word_attention, words[row, :length])
        x = layer.word_norm(words[row, :length] + layer.word_attention.output(x))
        o = written_attention(layer.object_attention, objects[row, :number])
        o = layer.object_norm(objects[row, :number] + o)
        to_words, to_objects = torch.zeros(length, 6), torch.zeros(number, 6)
        for i in range(length):
            for j in range(number):
                pair, edge = torch.cat([x[i], o[j]]), graph.edges[row, i, j]
                to_words[i] += edge * layer.word_update.gate(pair).sigmoid() * o[j]
                to_objects[j] += edge * layer.object_update.gate(pair).sigmoid() * x[i]
        for update, nodes, messages, actual in (
            (layer.word_update, x, to_words, new_words[row, :length]),
            (layer.object_update, o, to_objects, new_objects[row, :number]),
        ):
            nodes = update.message_norm(nodes + messages)
            torch.testing.assert_close(actual, update.feedforward_norm(nodes + update.feedforward(nodes)))


def written_attention(attention, nodes):
    """Attend head by head and node by node; without values the nodes themselves are mixed."""
    query, key, value = attention.query(nodes), attention.key(nodes), attention.value(nodes)
    result = torch.zeros_like(nodes)
    for part in (slice(0, 3), slice(3, 6)):
        for i in range(len(nodes)):
            weights = torch.stack([query[i, part] @ key[j, part] / 3**0.5 for j in range(len(nodes))]).softmax(0)
            result[i, part] = weights @ value[:, part]
    return result


@torch.no_grad()
def test_an_object_without_edges_still_has_influence_and_a_masked_one_has_none():
    layer, words, objects, graph = graph_layer()
    unlinked = replace(graph, edges=graph.edges * torch.tensor([1.0, 1.0, 0.0]))
    other = objects + torch.tensor([0.0, 0.0, 1.0])[:, None]
    for objects_exist, has_influence in ((graph.objects, True), (graph.objects & (torch.arange(3) < 2), False)):
        without = replace(unlinked, objects=objects_exist)
        difference = layer(words, objects, without)[0] - layer(words, other, without)[0]
        assert bool(difference.abs().max() > 1e-3) == has_influence


# -------------------------------------------------------------------------------------------------------------- fusion
def moved(visual: Visual, order: torch.Tensor) -> Visual:
    """The same images in another order."""
    images = replace(visual.images, mask=visual.mask[:, order], boxes=visual.images.boxes[:, order])
    return Visual(tuple(level[:, order] for level in visual.levels), images)


@torch.no_grad()
def test_the_order_of_objects_does_not_matter_and_their_features_do():
    fusion, encoder, text, visual, extras = built()
    states = fusion(encoder, text, visual, extras).states
    again = fusion(encoder, text, moved(visual, torch.tensor([2, 0, 1])), extras).states
    torch.testing.assert_close(states, again)
    other = replace(visual, levels=tuple(level * -2 for level in visual.levels))
    assert not torch.allclose(states[0], fusion(encoder, text, other, extras).states[0], atol=1e-3)


@torch.no_grad()
def test_without_edges_the_text_does_not_depend_on_images():
    fusion, encoder, text, visual, _ = built(edges="phrases")
    none = {"edges": torch.zeros(*text.mask.shape, 3)}
    states = fusion(encoder, text, visual, none).states
    torch.testing.assert_close(states, fusion(encoder, text, without_images(visual), none).states)
    torch.testing.assert_close(states, fusion(encoder, text, None, none).states)


@torch.no_grad()
def test_a_missing_object_leaves_the_others_as_they_are_without_it():
    fusion, encoder, text, visual, extras = built()
    assert not visual.mask[1, 1]
    noise = [torch.where(visual.mask[..., None, None], level, torch.tensor(9.0)) for level in visual.levels]
    states = fusion(encoder, text, visual, extras).states
    torch.testing.assert_close(fusion(encoder, text, replace(visual, levels=tuple(noise)), extras).states, states)
    kept = fusion(encoder, text, moved(visual, torch.tensor([0, 2])), extras).states
    torch.testing.assert_close(kept[1], states[1])


@torch.no_grad()
def test_states_begin_with_those_of_the_text_encoder():
    fusion, encoder, text, visual, extras = built()
    states = fusion(encoder, text, visual, extras).states
    assert torch.equal(states[..., : encoder.width], encoder(text).states)


@torch.no_grad()
def test_a_trace_shows_the_share_of_each_object_in_every_layer():
    fusion, encoder, text, visual, extras = built()
    trace = Trace()
    fusion(encoder, text, visual, extras, trace)
    cells, length = 3 * CELLS, text.mask.shape[1]
    assert [tuple(layer.shape) for layer in trace.attention] == [(3, 1, length, cells + length)] * 3
    existing = visual.mask.repeat_interleave(CELLS, dim=1)
    for layer in trace.attention:
        shares = layer[:, 0, :, :cells]
        torch.testing.assert_close(layer.sum(-1), torch.ones(3, 1, length))
        assert not shares.masked_select(~existing[:, None]).any()
        assert (shares[0][text.mask[0]] > 0).all()
    assert trace.cells.tolist() == [[*range(cells)]]


# ------------------------------------------------------------------------------------------------------------- phrases
def test_phrases_are_found_regardless_of_case_in_hashtags_and_more_than_once():
    words = ("Ada", "visits", "#NewYork", ",", "new", "york", "and", "New", "Jersey")
    assert [*phrase_words(words, "New York")] == [2, 2, 4, 5]
    assert [*phrase_words(words, "Jersey")] == [8]
    assert [*phrase_words(words, "york jersey")] == []
    assert [*phrase_words(words, "")] == []


def test_an_object_is_linked_to_its_phrase_or_else_to_every_position():
    phrases = ("New York", "person", None)
    objects = tuple(VisualObject(Path("x.png"), phrase=phrase) for phrase in phrases)
    example = Example("1", ("Ada", "visits", "New", "York"), objects=objects)
    encoded = small_bert("mner").encode(example, 64)
    edges = phrase_edges(example, encoded, full_image=True, max_objects=3)
    assert edges.shape == (encoded.length, 4)
    linked = {int(word) for word in encoded.word_ids[edges[:, 1] > 0]}
    assert linked == {2, 3}
    assert edges[:, [0, 2, 3]].all()


def test_edges_of_a_window_are_those_of_its_words():
    objects = (VisualObject(Path("x.png"), phrase="Ada"),)
    words = tuple("Ada" if i == 35 else "Paris" for i in range(40))
    pair = EXAMPLES["mre"][0]
    example = replace(
        pair, words=words, head=replace(pair.head, start=34, end=35), tail=replace(pair.tail, start=36, end=37)
    )
    example = replace(example, objects=objects)
    encoded = small_bert("mre").encode(example, 40)
    assert encoded.first_word > 0
    edges = phrase_edges(example, encoded, full_image=False, max_objects=1)
    assert {int(word) + encoded.first_word for word in encoded.word_ids[edges[:, 0] > 0]} == {35}


# ------------------------------------------------------------------------------------------------ training and recipes
FUSION = "fusion={{name: umgf, graph_width: 8, num_layers: 2, num_attention_heads: 2, edges: {edges}}}"
TEXT = "text={encoder: bert-from-scratch, width: 16, num_layers: 1, num_attention_heads: 2}"


@pytest.mark.parametrize(("task", "edges"), [("mner", "phrases"), ("mre", "all")])
def test_it_learns(task, edges, request, tmp_path):
    data = request.getfixturevalue(f"{task}_data")
    overrides = (FUSION.format(edges=edges), TEXT)
    recipe = tiny.recipe(tmp_path, data.folder, task, overrides=overrides)
    torch.manual_seed(3)
    model = build_model(recipe, REGISTRY, data.labels, data.examples("train")).train()
    batcher = Batcher(model, recipe)
    batch = batcher.collate([batcher.encode(one, labeled=True) for one in list(data.examples("train"))[:6]])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(15):
        optimizer.zero_grad()
        loss = model(batch).loss
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]


def test_a_trained_model_with_edges_by_phrases_is_explained(mner_data, tmp_path):
    recipe = tiny.recipe(tmp_path, mner_data.folder, "mner", overrides=(FUSION.format(edges="phrases"), TEXT))
    finished = train(recipe, REGISTRY, tmp_path / "model")
    predictor = hvpkit.load(finished.folder, device="cpu")
    explained = explain_example(predictor, parse_example(mner_data.examples("test")[0], predictor.folder.recipe))
    assert {change.kind for change in explained.counterfactuals} == {"no images", "no object", "no full image"}
    assert any(look is not None for look in explained.attention)


def test_the_recipes_have_the_authors_settings_and_the_shared_ones():
    names = ("umgf_mner", "umgf_mre", "umgf_common_mner", "umgf_common_mre")
    paper, relations, common, common_relations = (load_recipe(name, registry=REGISTRY) for name in names)
    vision, spec = paper.vision, paper.train
    assert vision is not None and paper.text.name == "bert-base-cased"
    assert (vision.backbone, vision.full_image, vision.max_objects, vision.grid, vision.frozen) == (
        "resnet152",
        False,
        4,
        1,
        False,
    )
    assert (spec.optimizer, spec.lr, spec.weight_decay, spec.batch_size, spec.epochs) == ("adamw", 1e-4, 0.0, 16, 30)
    assert (spec.schedule, spec.gamma, spec.milestones, spec.warmup, spec.max_grad_norm) == ("step", 0.8, 2, 0.0, 0.0)
    assert (spec.seed, paper.head.options["dropout"]) == (2019, 0.0)
    assert (relations.train, relations.vision, relations.text) == (paper.train, paper.vision, paper.text)
    for own, task in ((common, "mner"), (common_relations, "mre")):
        umt = load_recipe(f"umt_common_{task}")
        assert (own.train, own.vision, own.text, own.data, own.head) == (
            umt.train,
            umt.vision,
            umt.text,
            umt.data,
            umt.head,
        )
