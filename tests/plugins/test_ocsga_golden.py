"""The network with the weights of the golden files has the numbers of the authors' code."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from golden import LOSSES, Golden, assert_near, assign, golden_cases, gradient_norms, load_module
from torch import Tensor, nn

from hvpkit.batching import pad
from hvpkit.interfaces import FusionContext, HeadContext, ImageBatch, TextBatch, Visual
from hvpkit.model.heads.crf import CrfHead
from hvpkit.model.text.vocabulary import Vocabulary
from hvpkit.model.text.word_embedding import WordEmbedding, WordEmbeddingConfig
from hvpkit.registry import load_registry
from hvpkit.testing.fusions import AveragePoolBackbone
from hvpkit.types import Labels
from hvpkit_plugins.ocsga.encoder import CharBilstm, CharBilstmConfig
from hvpkit_plugins.ocsga.fusion import OcsgaFusion

REGISTRY = load_registry()
ocsga = REGISTRY.get("fusion", "ocsga").factory
TAGS = slice(1, 10)  # of the labels of the file, those that can occur
START, STOP, UNUSED, FORBIDDEN = 10, 11, 0, -10_000.0
ATTENTION = {"query": "linear_q", "key": "linear_k", "value": "linear_v", "output": "linear_merge"}
FEED_FORWARD = {"feedforward.0": "ffn.mlp.fc.linear", "feedforward.3": "ffn.mlp.linear"}
TEXT_LAYER = {"attention": "mhatt", "attention_norm": "norm1", "feedforward_norm": "norm2"}
OBJECT_LAYER = {
    "self_attention": "mhatt1",
    "self_norm": "norm1",
    "text_attention": "mhatt2",
    "text_norm": "norm2",
    "feedforward_norm": "norm3",
}
GUIDED_LAYER = {
    "object_attention": "mhatt1",
    "object_norm": "norm1",
    "attention": "mhatt2",
    "attention_norm": "norm2",
    "feedforward_norm": "norm3",
}


@dataclass
class Network:
    """The three components, their inputs, and their parameters by the authors' names."""

    encoder: CharBilstm
    fusion: OcsgaFusion
    head: CrfHead
    text: TextBatch
    visual: Visual | None
    extras: dict[str, Tensor]
    parameters: dict[str, Tensor]

    def emissions(self) -> Tensor:
        return self.head(self.fusion(self.encoder, self.text, self.visual, self.extras), self.text)


def words(size: int, width: int) -> WordEmbedding:
    """An embedding of this many rows, of which two are padding and unknown."""
    return WordEmbedding(Vocabulary(tuple(map(str, range(size - 2))), size - 2), WordEmbeddingConfig(width))


def text_of(golden: Golden) -> TextBatch:
    sentences = golden["sentences"]
    characters = [pad([torch.tensor(word) for word in sentence["chars"]]) for sentence in sentences]
    mask = golden.tensor("mask").bool()
    positions = torch.arange(mask.shape[1]).expand_as(mask)
    features = {"words": golden.tensor("word_ids"), "characters": pad(characters)}
    return TextBatch(features, mask, positions.masked_fill(~mask, 0), mask, positions.masked_fill(~mask, -1))


def visual_of(mask: Tensor) -> Visual:
    """Image regions that exist, without features."""
    zeros = torch.zeros(*mask.shape, 1, 1)
    images = ImageBatch(mask, torch.zeros(*mask.shape, 4), features=(zeros[mask],))
    return Visual((zeros,), images)


def load_layer(
    layer: nn.Module, names: dict[str, str], weights: dict[str, Tensor], prefix: str
) -> dict[str, nn.Parameter]:
    """Fill a layer of attentions, norms and a feed-forward map; return its parameters by the authors' names."""
    parameters = {}

    def fill(module: str, own: str, theirs: str) -> None:
        parameter = layer.get_submodule(module).get_parameter(own)
        assign(parameter, weights[f"{prefix}.{theirs}"])
        parameters[f"{prefix}.{theirs}"] = parameter

    for ours, theirs in names.items():
        if "norm" in theirs:
            fill(ours, "weight", f"{theirs}.a_2")
            fill(ours, "bias", f"{theirs}.b_2")
            continue
        for own, part in ATTENTION.items():
            for kind in ("weight", "bias"):
                fill(f"{ours}.{own}", kind, f"{theirs}.{part}.{kind}")
    for own, part in FEED_FORWARD.items():
        for kind in ("weight", "bias"):
            fill(own, kind, f"{part}.{kind}")
    return parameters


def golden_weights(golden: Golden, layers: int) -> dict[str, Tensor]:
    weights = golden.parameters("A")
    if layers == 2:
        weights |= golden.parameters("A", "layers_2")
    transitions = weights["crf.transitions"]
    transitions[:, START] = transitions[STOP] = transitions[UNUSED] = transitions[:, UNUSED] = FORBIDDEN
    return weights


def golden_network(golden: Golden, layers: int = 1, objects: bool = True, **options) -> Network:
    config, weights = golden["config"], golden_weights(golden, layers)
    labels = Labels("mner", tuple(config["labels"][TAGS]))
    sizes = CharBilstmConfig(config["char_width"], config["char_hidden"] // 2, config["hidden"] // 2, 0.5)
    characters = Vocabulary(tuple(map(str, range(config["chars"] - 2))), 0)
    encoder = CharBilstm(words(config["words"], config["word_width"]), characters, sizes).eval()
    assign(encoder.words.weight, weights["word_embeddings.weight"])
    assign(encoder.characters.weight, weights["char_embeddings.weight"])
    load_module(encoder.character_lstm, weights, "char_lstm.")
    load_module(encoder.lstm, weights, "word_lstm.")
    ids = golden.tensor("objects")
    context = FusionContext(labels, encoder, AveragePoolBackbone(), 1, False, ids.shape[1], lambda *parts: None)
    fusion: OcsgaFusion = ocsga(
        context, object_width=config["object_width"], num_attention_heads=config["heads"], num_layers=layers, **options
    ).eval()
    fusion.objects = words(config["objects"], config["object_width"])
    assign(fusion.objects.weight, weights["object_embeddings.weight"])
    load_module(fusion.to_text, weights, "obj_feat_linear.")
    load_module(fusion.norm, weights | {"cat_bn.num_batches_tracked": torch.tensor(0)}, "cat_bn.")
    parameters = {}
    for number, layer in enumerate(fusion.text_layers):
        parameters |= load_layer(layer, TEXT_LAYER, weights, f"mca.enc_list.{number}")
    for number, layer in enumerate(fusion.object_layers):
        parameters |= load_layer(layer, OBJECT_LAYER, weights, f"mca.dec_list.{number}")
    parameters |= load_layer(fusion.guided_layer, GUIDED_LAYER, weights, "mca.dec_last")
    maps = {"char_lstm": encoder.character_lstm, "word_lstm": encoder.lstm, "obj_feat_linear": fusion.to_text}
    for name, module in (maps | {"cat_bn": fusion.norm}).items():
        parameters |= {f"{name}.{own}": parameter for own, parameter in module.named_parameters()}
    parameters |= {"word_embeddings.weight": encoder.words.weight, "char_embeddings.weight": encoder.characters.weight}
    head: CrfHead = REGISTRY.build("head", "crf", HeadContext(labels, fusion.width), {"dropout": 0.0}).eval()
    assign(head.linear.weight, weights["hidden2tag.weight"][TAGS])
    assign(head.linear.bias, weights["hidden2tag.bias"][TAGS])
    assign(head.crf.transitions, weights["crf.transitions"][TAGS, TAGS])
    assign(head.crf.start_transitions, weights["crf.transitions"][START, TAGS])
    assign(head.crf.end_transitions, weights["crf.transitions"][TAGS, STOP])
    parameters |= {"hidden2tag.weight": head.linear.weight, "hidden2tag.bias": head.linear.bias}
    regions = torch.arange(ids.shape[1]).expand_as(ids)
    exists = ids > 0
    extras = {"object_words": ids if objects else ids * 0, "object_regions": regions.masked_fill(~exists, 0)}
    visual = visual_of(exists) if objects else None
    return Network(encoder, fusion, head, text_of(golden), visual, extras, parameters)


def check_scores(golden: Golden, network: Network, *keys: str) -> None:
    """Compare emissions of the labels that can occur, the loss and the paths with those under some keys."""
    values = golden.values
    for key in keys:
        values = values[key]
    emissions, real = network.emissions(), network.text.mask
    assert_near(emissions[real], torch.tensor(values["emissions"])[..., TAGS][real])
    loss = network.head.loss(emissions, network.text, targets(golden))
    assert_near(len(real) * loss, values["loss"], LOSSES)  # theirs is the sum
    paths = [[tag + TAGS.start for tag in row] for row in network.head.crf.decode(emissions, real)]
    assert paths == [row[: len(path)] for row, path in zip(values["paths"], paths, strict=True)]


def targets(golden: Golden) -> dict[str, Tensor]:
    return {"tags": (golden.tensor("labels") - TAGS.start).clamp(min=0)}


@golden_cases("ocsga")
def test_inputs_are_those_of_the_formula(golden):
    config, generator = golden["config"], torch.Generator().manual_seed(golden.seed)
    ids = torch.randint(2, config["words"], (3, 7), generator=generator)
    characters = torch.randint(2, config["chars"], (3, 7, 6), generator=generator)
    counts = torch.randint(1, 7, (3, 7), generator=generator)
    objects = torch.randint(2, config["objects"], (3, 6), generator=generator)
    objects[1, 1] = objects[1, 0]
    labels = torch.randint(1, 10, (3, 7), generator=torch.Generator().manual_seed(golden.seed + 1))
    for row, sentence in enumerate(golden["sentences"]):
        length = len(sentence["words"])
        assert sentence["words"] == ids[row, :length].tolist()
        assert sentence["labels"] == labels[row, :length].tolist()
        assert sentence["objects"] == objects[row, : len(sentence["objects"])].tolist()
        for word in range(length):
            assert sentence["chars"][word] == characters[row, word, : counts[row, word]].tolist()


@golden_cases("ocsga")
def test_states_of_each_layer_are_those_of_the_authors(golden):
    network = golden_network(golden)
    fusion, text, extras = network.fusion, network.text, network.extras
    real, exists = text.mask, golden.tensor("objects") > 0

    def compare(actual: Tensor, key: str, rows: Tensor = real) -> None:
        assert_near(actual[rows], golden.tensor(key)[rows])

    compare(network.encoder.character_states(text), "char_states")
    states = network.encoder(text).states
    assert_near(states, golden["X"])
    objects = fusion.to_text(fusion.objects(extras["object_words"]))
    assert_near(objects, golden["Y"])
    layer, guided = fusion.text_layers[0], fusion.guided_layer
    compare(layer.attention_norm(states + layer.attention(states, states, real)), "X1")
    words = layer(states, real)
    compare(words, "X_self")
    objects = guided.objects(objects, exists)
    compare(objects, "Y_self", exists)
    compare(guided.attention_norm(guided.attention(words, objects, exists)), "G1")
    compare(guided(words, objects, exists), "G")
    compare(fusion(network.encoder, text, network.visual, extras).states, "Z")


@golden_cases("ocsga")
def test_emissions_loss_and_paths_are_those_of_the_authors(golden):
    check_scores(golden, golden_network(golden))


@golden_cases("ocsga")
def test_with_two_layers_they_are_too(golden):
    network = golden_network(golden, layers=2)
    check_scores(golden, network, "layers_2")
    ids, exists = network.extras["object_words"], golden.tensor("objects") > 0
    words, objects = network.fusion._attended(network.encoder(network.text).states, network.text.mask, ids, exists)
    guidance = network.fusion.guided_layer(words, objects, exists)
    assert_near(guidance[network.text.mask], golden.tensor("layers_2", "G")[network.text.mask])


@golden_cases("ocsga")
@torch.no_grad()
def test_without_objects_the_authors_add_a_constant(golden):
    network = golden_network(golden, objects=False, without_objects="constant")
    check_scores(golden, network, "no_objects")
    real = network.text.mask
    states, nothing = network.encoder(network.text).states, torch.zeros(3, 4, dtype=torch.bool)
    words, objects = network.fusion._attended(states, real, network.extras["object_words"], nothing)
    assert_near(network.fusion.guided_layer(words, objects, nothing)[real], golden.tensor("no_objects", "G")[real])
    constant = network.fusion(network.encoder, network.text, None, network.extras).states
    zero = golden_network(golden, objects=False)
    difference = constant - zero.fusion(zero.encoder, zero.text, None, zero.extras).states
    assert float(difference[real].std(0).max()) < 1e-5  # one vector for all words
    assert float(difference.abs().max()) > 0.1


@golden_cases("ocsga")
def test_batch_statistics_over_padding_are_those_of_the_authors(golden):
    network = golden_network(golden, batch_norm="padded")
    network.fusion.norm.train()
    states = network.fusion(network.encoder, network.text, network.visual, network.extras).states
    assert_near(states, golden["batch_statistics"]["Z"])
    loss = network.head.loss(network.emissions(), network.text, targets(golden))
    assert_near(3 * loss, golden["batch_statistics"]["loss"], LOSSES)


@golden_cases("ocsga")
def test_gradients_have_the_norms_of_the_authors(golden):
    network, expected = golden_network(golden), golden["gradient_norms"]
    loss = 3 * network.head.loss(network.emissions(), network.text, targets(golden))
    norms = gradient_norms(loss, network.parameters)
    crf = gradient_norms(loss, dict(network.head.crf.named_parameters()))
    norms["crf.transitions"] = sum(norm**2 for norm in crf.values()) ** 0.5
    assert norms.keys() == expected.keys()
    for name, norm in norms.items():
        assert norm == pytest.approx(expected[name], rel=1e-3, abs=1e-4), name
