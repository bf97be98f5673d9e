"""The network with the weights of the golden files has the numbers of the authors' code.

That code tags wordpieces with 13 tags. The plugin tags words; the tests add the authors' classifiers to its states for
the published loss and paths, and compare the plugin's own scores with the derived ones of words.
"""

from __future__ import annotations

import golden_bert
import pytest
import torch
from golden import LOSSES, Golden, assert_near, assign, golden_cases, gradient_norms, load_module
from golden_bert import LABELS, LENGTHS, GoldenBert
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torchcrf import CRF

from hvpkit.interfaces import Fused, HeadContext, TextBatch, Visual
from hvpkit.registry import load_registry
from hvpkit_plugins.umt.fusion import UmtFusion
from hvpkit_plugins.umt.layers import CrossLayer

REGISTRY = load_registry()
umt = REGISTRY.get("fusion", "umt").factory
LAYER = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "feedforward.0": "intermediate.dense",
    "feedforward.2": "output.dense",
    "feedforward_norm": "output.LayerNorm",
}
STACKS = {
    "words_on_cells": "txt2img_attention",
    "cells_on_words": "img2txt_attention",
    "words_on_read_cells": "txt2txt_attention",
}
WORD_TAGS, SPAN_TAGS = slice(1, 10), slice(1, 4)  # of the tags of wordpieces, those of words
# PAD, O, X, [CLS] and [SEP] convert to themselves, B and I to the four types
CONVERSION = {0: (0,), 1: (1,), 2: (2, 4, 6, 8), 3: (3, 5, 7, 9), 4: (10,), 5: (11,), 6: (12,)}


def load_layer(layer: CrossLayer, weights: dict[str, Tensor], name: str) -> None:
    for ours, theirs in LAYER.items():
        load_module(layer.get_submodule(ours), weights, f"{name}.{theirs}.")


def load_crf(crf: CRF, weights: dict[str, Tensor], name: str, tags: slice) -> None:
    """Load the scores of some tags."""
    assign(crf.start_transitions, weights[f"{name}.start_transitions"][tags])
    assign(crf.end_transitions, weights[f"{name}.end_transitions"][tags])
    assign(crf.transitions, weights[f"{name}.transitions"][tags, tags])


def load_rows(linear: nn.Linear, weights: dict[str, Tensor], name: str, rows: slice) -> None:
    assign(linear.weight, weights[f"{name}.weight"][rows])
    assign(linear.bias, weights[f"{name}.bias"][rows])


def golden_model(golden: Golden, layers: int = 1) -> tuple[UmtFusion, GoldenBert, TextBatch, Visual, dict[str, Tensor]]:
    weights, config = golden.parameters("A"), golden["config"]
    if layers == 2:
        weights |= golden.parameters("A", "layers_2")
    text, regions = golden_bert.wordpieces_and_regions(golden)
    encoder = golden_bert.golden_bert(golden, weights, config["layers"])
    context = golden_bert.fusion_context(encoder, config["channels"], config["regions"])
    fusion: UmtFusion = umt(context, alpha=config["alpha"], beta=config["beta"], num_layers=layers).eval()
    load_layer(fusion.text_layer, weights, "self_attention_v2.layer.0")
    load_layer(fusion.spans.layer, weights, "self_attention.layer.0")
    for ours, theirs in STACKS.items():
        for number, layer in enumerate(getattr(fusion, ours).layers):
            load_layer(layer, weights, f"{theirs}.layer.{number}")
    for ours, theirs in {"cells_read": "vismap2text", "cells_reading": "vismap2text_v2", "gate": "gate"}.items():
        load_module(fusion.get_submodule(ours), weights, f"{theirs}.")
    load_rows(fusion.spans.linear, weights, "aux_classifier", SPAN_TAGS)
    load_crf(fusion.spans.crf, weights, "aux_crf", SPAN_TAGS)
    return fusion, encoder, text, golden_bert.visual_of(regions), weights


def span_tags(golden: Golden, text: TextBatch) -> dict[str, Tensor]:
    """The span tags of words, which count as ours do: 1 for O, 2 for B, 3 for I."""
    tags = golden.tensor("aux_labels").gather(1, text.word_starts)
    return {"span_tags": tags.masked_fill(~text.word_mask, 0)}


def word_head(fusion: UmtFusion, weights: dict[str, Tensor]) -> nn.Module:
    head = REGISTRY.build("head", "crf", HeadContext(LABELS, fusion.width), {"dropout": 0.0}).eval()
    load_rows(head.linear, weights, "classifier", WORD_TAGS)
    load_crf(head.crf, weights, "crf", WORD_TAGS)
    return head


@golden_cases("umt")
def test_states_of_each_layer_are_those_of_the_authors(golden):
    fusion, encoder, text, visual, _ = golden_model(golden)
    real, (cells, exists) = text.mask, visual.cells()

    def compare(actual: Tensor, key: str) -> None:
        assert_near(actual[real], golden.tensor(key)[real])

    embedded = encoder.model.embeddings(text.features["input_ids"])
    assert_near(embedded[0, :3, :6], golden["bert_embeddings_row0"])
    words = encoder(text).states
    compare(words, "S")
    spans = fusion.spans.layer(words, words, real)
    compare(spans, "A")
    assert_near(fusion.spans.linear(spans)[real], golden.tensor("E_a")[..., SPAN_TAGS][real])
    words = fusion.text_layer(words, words, real)
    compare(words, "M")
    read, reading = fusion.cells_read(cells), fusion.cells_reading(cells)
    assert_near(read[:, :3], golden["V1_first_regions"])
    assert_near(reading[:, :3], golden["V2_first_regions"])
    text_aware = fusion.cells_on_words(reading, words, real)
    assert_near(text_aware[:, :6], golden["P_first_regions"])
    for tensor, key in ((read, "V1_norms"), (reading, "V2_norms"), (text_aware, "P_norms")):
        assert_near(tensor.flatten(1).norm(dim=1), golden[key], 1e-4)  # of size 50
    word_aware = fusion.words_on_cells(words, read, exists)
    compare(word_aware, "Q")
    image_aware = fusion.words_on_read_cells(words, text_aware, exists)
    compare(image_aware, "C")
    gate = fusion.gate(torch.cat([image_aware, word_aware], dim=-1)).sigmoid()
    compare(gate, "g")
    states = fusion(encoder, text, visual, span_tags(golden, text)).states
    assert_near(states[real], torch.cat([golden.tensor("C"), golden.tensor("g") * golden.tensor("Q")], -1)[real])


def authors_scores(golden: Golden, layers: int = 1) -> tuple[dict[str, Tensor], list[list[int]], dict[str, nn.Module]]:
    """Score wordpieces by the authors' classifiers and CRFs on the plugin's states."""
    fusion, encoder, text, visual, weights = golden_model(golden, layers)
    width, config = fusion.width, golden["config"]
    main, spans = nn.Linear(width, config["num_labels"]), nn.Linear(width // 2, config["aux_labels"])
    crf, span_crf = (CRF(linear.out_features, batch_first=True) for linear in (main, spans))
    modules = {"classifier": main, "aux_classifier": spans, "crf": crf, "aux_crf": span_crf}
    for name, module in modules.items():
        load_module(module, weights, f"{name}.")
    words = encoder(text).states
    span_emissions = spans(fusion.spans.layer(words, words, text.mask))
    main_emissions = main(fusion(encoder, text, visual, span_tags(golden, text)).states)
    conversion = torch.zeros(spans.out_features, main.out_features)
    for row, columns in CONVERSION.items():
        conversion[row, list(columns)] = 1 / len(columns)
    emissions = 0.5 * main_emissions + 0.5 * span_emissions @ conversion
    losses = {
        "main_loss": -crf(emissions, golden.tensor("labels"), text.mask, reduction="mean"),
        "aux_loss": -span_crf(span_emissions, golden.tensor("aux_labels"), text.mask, reduction="mean"),
    }
    losses["loss"] = losses["main_loss"] + 0.5 * losses["aux_loss"]
    tensors = {"E_a": span_emissions, "E_m": main_emissions, "emissions": emissions, **losses}
    return tensors, crf.decode(emissions, text.mask), modules | {"fusion": fusion, "bert": encoder.model}


@golden_cases("umt")
def test_with_the_authors_classifiers_loss_and_paths_are_those_of_the_authors(golden):
    scores, paths, _ = authors_scores(golden)
    real = golden.tensor("mask").bool()
    for key in ("E_a", "E_m", "emissions"):
        assert_near(scores[key][real], golden.tensor(key)[real])
    for key in ("main_loss", "aux_loss", "loss"):
        assert_near(scores[key], golden[key], LOSSES)
    assert paths == [row[:length] for row, length in zip(golden["paths"], LENGTHS, strict=True)]


@golden_cases("umt")
def test_with_two_layers_a_stack_emissions_loss_and_paths_are_those_of_the_authors(golden):
    scores, paths, _ = authors_scores(golden, layers=2)
    real, expected = golden.tensor("mask").bool(), golden["layers_2"]
    assert_near(scores["emissions"][real], golden.tensor("layers_2", "emissions")[real])
    assert_near(scores["loss"], expected["loss"], LOSSES)
    assert paths == [row[:length] for row, length in zip(expected["paths"], LENGTHS, strict=True)]


@golden_cases("umt")
def test_gradients_have_the_norms_of_the_authors(golden):
    scores, _, modules = authors_scores(golden)
    fusion, norms, parameters = modules["fusion"], golden["gradient_norms"], {}
    layers = {
        "self_attention.layer.0": fusion.spans.layer,
        "self_attention_v2.layer.0": fusion.text_layer,
        **{f"{theirs}.layer.0": getattr(fusion, ours).layers[0] for ours, theirs in STACKS.items()},
    }
    for name, layer in layers.items():
        for ours, theirs in LAYER.items():
            for kind, parameter in layer.get_submodule(ours).named_parameters():
                parameters[f"{name}.{theirs}.{kind}"] = parameter
    maps = {"vismap2text": fusion.cells_read, "vismap2text_v2": fusion.cells_reading, "gate": fusion.gate}
    rest = maps | {name: modules[name] for name in ("classifier", "aux_classifier", "crf", "aux_crf", "bert")}
    for name, module in rest.items():
        parameters |= {f"{name}.{one}": parameter for one, parameter in module.named_parameters()}
    for name, norm in gradient_norms(scores["loss"], parameters).items():
        expected = norms.get(name)
        if expected is None:  # the unused pooler
            assert norm is None, name
        else:
            assert norm == pytest.approx(expected, rel=1e-3, abs=5e-5), name


@golden_cases("umt")
def test_the_tagger_of_words_has_the_derived_emissions_losses_and_paths(golden):
    fusion, encoder, text, visual, weights = golden_model(golden)
    head, expected = word_head(fusion, weights), golden["derived_word_level"]
    tags = pad_sequence([torch.tensor(row) for row in expected["tags"]], batch_first=True)
    fused: Fused = fusion(encoder, text, visual, span_tags(golden, text))
    emissions = head(fused, text)
    starts = text.word_starts[..., None].expand(-1, -1, golden["config"]["num_labels"])
    wanted = golden.tensor("emissions").gather(1, starts)[..., WORD_TAGS]
    assert_near(emissions[text.word_mask], wanted[text.word_mask])
    main = head.loss(emissions, text, {"tags": tags})
    assert_near(main, expected["loss_mean"], LOSSES)
    assert_near(fused.losses["spans"], golden["config"]["beta"] * expected["span_loss_mean"], LOSSES)
    assert_near(main + fused.losses["spans"], expected["loss"], LOSSES)
    assert head.crf.decode(emissions, text.word_mask) == expected["paths"]
