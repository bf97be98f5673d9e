"""The network with the weights of the golden files has the numbers of the public code."""

from __future__ import annotations

from dataclasses import replace

import golden_bert
import pytest
import torch
from golden import LOSSES, Golden, assert_near, assign, golden_cases, gradient_norms, load_module
from golden_bert import LENGTHS, GoldenBert
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from hvpkit.interfaces import HeadContext, TextBatch, Visual
from hvpkit.registry import load_registry
from hvpkit_plugins.adapcoatt.fusion import AdapCoAttFusion
from hvpkit_plugins.adapcoatt.layers import CoAttended

REGISTRY = load_registry()
adapcoatt = REGISTRY.get("fusion", "adapcoatt").factory


def linears(module: nn.Module, weights: dict[str, Tensor], names: dict[str, str]) -> None:
    """Load linear maps of a module from the authors' names."""
    for ours, theirs in names.items():
        load_module(module.get_submodule(ours), weights, f"{theirs}.")


def golden_model(golden: Golden, **options) -> tuple[AdapCoAttFusion, GoldenBert, TextBatch, Visual, dict[str, Tensor]]:
    weights = golden.parameters("A")
    config = golden["config"]
    text, regions = golden_bert.wordpieces_and_regions(golden)
    encoder = golden_bert.golden_bert(golden, weights, config["bert_layers"])
    context = golden_bert.fusion_context(encoder, config["channels"], config["regions"])
    fusion = adapcoatt(context, **options).eval()
    return fusion, encoder, text, golden_bert.visual_of(regions), weights


def paper_model(golden: Golden, **options) -> tuple[AdapCoAttFusion, GoldenBert, TextBatch, Visual, dict[str, Tensor]]:
    fusion, encoder, text, visual, weights = golden_model(golden, **options)
    block, width = fusion.co_attention, golden["config"]["k"]
    linears(
        block,
        weights,
        {
            "region": "dim_match.0",
            "gated_fusion.cells": "gmf.img_linear",
            "gated_fusion.words": "gmf.text_linear",
            "gated_fusion.gate": "gmf.gate_linear",
            "filtration.text": "filtration_gate.text_linear",
            "filtration.multimodal": "filtration_gate.multimodal_linear",
            "filtration.gate": "filtration_gate.gate_linear",
            "filtration.signal": "filtration_gate.resv_linear",
            "output": "filtration_gate.output_linear",
        },
    )
    assign(block.to_cells.key.weight, weights["co_attention.img_linear_1.weight"])
    assign(block.to_cells.score.weight, weights["co_attention.att_linear_1.weight"][:, width:])  # text half first
    assign(block.to_words.key.weight, weights["co_attention.text_linear_2.weight"])
    assign(block.to_words.score.weight, weights["co_attention.att_linear_2.weight"][:, width:])  # image half first
    return fusion, encoder, text, visual, weights


def golden_head(fusion: AdapCoAttFusion, weights: dict[str, Tensor], classifier: str = "classifier") -> nn.Module:
    """Build a head that tags wordpieces, whose tags are those of the file."""
    head = REGISTRY.build("head", "crf", HeadContext(golden_bert.LABELS, fusion.width), {"labels": "wordpieces"}).eval()
    linears(head, weights, {"linear": classifier})
    if "crf.transitions" in weights:
        load_module(head.crf, weights, "crf.")
    return head


def fused_by(fusion: AdapCoAttFusion, encoder: GoldenBert, text: TextBatch, visual: Visual) -> CoAttended:
    """The intermediate results, which `forward` does not return."""
    cells, exists = visual.cells()
    visible = text.mask if fusion.options.mask_padding else torch.ones_like(text.mask)
    return fusion.co_attention(encoder(text).states, cells, visible, exists)


@golden_cases("adapcoatt")
def test_states_emissions_loss_and_paths_are_those_of_the_port_that_attends_to_padding(golden):
    fusion, encoder, text, visual, weights = paper_model(golden, padding="attend")
    expected, real = golden["pads_read"], text.mask
    assert_near(encoder(text).states[real], golden.tensor("H")[real])
    fused = fused_by(fusion, encoder, text, visual)
    values = fusion.co_attention.region(visual.cells()[0]).tanh()
    assert_near(values[:, :3], golden["V_first_regions"])
    assert_near(values.flatten(1).norm(dim=1), golden["V_norms"])
    for tensor, key in (
        (fused.cell_weights, "alpha"),
        (fused.word_weights, "beta"),
        (fused.cells, "v_hat"),
        (fused.words, "h_hat"),
        (fused.multimodal, "m"),
    ):
        assert_near(tensor.squeeze(1), expected[key])
    assert_near(fused.image_gate.flatten(), expected["g"])
    assert_near(fused.filtration.squeeze(-1)[real], golden.tensor("pads_read", "s")[real])
    output = fusion(encoder, text, visual, {})
    assert_near(output.states[real], golden.tensor("pads_read", "x")[real])
    head = golden_head(fusion, weights)
    emissions = head(output, text)
    assert_near(emissions[real], golden.tensor("pads_read", "emissions")[real])
    loss = head.loss(emissions, text, {"tags": golden.tensor("labels")})
    assert_near(loss, expected["loss_mean"], LOSSES)
    paths = head.viterbi_paths(emissions, text)
    assert paths == [row[:length] for row, length in zip(expected["paths"], LENGTHS, strict=True)]


@golden_cases("adapcoatt")
def test_with_padding_masked_each_text_is_as_it_is_alone(golden):
    fusion, encoder, text, visual, weights = paper_model(golden)
    fused = fused_by(fusion, encoder, text, visual)
    output = fusion(encoder, text, visual, {})
    head = golden_head(fusion, weights)
    emissions = head(output, text)
    for row, (expected, length) in enumerate(zip(golden["pads_masked"]["sentences"], LENGTHS, strict=True)):
        assert_near(fused.word_weights[row, 0, :length], expected["beta"])
        assert_near(fused.words[row, 0], expected["h_hat"])
        assert_near(fused.image_gate[row, 0, 0], expected["g"])
        assert_near(fused.multimodal[row, 0], expected["m"])
        assert_near(fused.filtration[row, :length, 0], expected["s"])
        assert_near(output.states[row, :length], expected["x"])
        assert_near(emissions[row, :length], expected["emissions"])
        signal = fusion.co_attention.filtration(encoder(text).states, fused.multimodal, torch.ones(3))[0]
        assert_near(signal[row, :length], expected["u"])
    assert head.viterbi_paths(emissions, text) == [one["path"] for one in golden["pads_masked"]["sentences"]]
    loss = head.loss(emissions, text, {"tags": golden.tensor("labels")})
    assert_near(loss, golden["pads_masked"]["loss_mean"], LOSSES)


@golden_cases("adapcoatt")
def test_a_tagger_of_words_has_the_derived_loss_and_paths(golden):
    fusion, encoder, text, visual, weights = paper_model(golden)
    head = REGISTRY.build("head", "crf", HeadContext(golden_bert.LABELS, fusion.width), {}).eval()
    words = slice(1, 10)  # of the 13 tags, the nine of words
    for name in ("weight", "bias"):
        assign(getattr(head.linear, name), weights[f"classifier.{name}"][words])
    for name in ("start_transitions", "end_transitions"):
        assign(getattr(head.crf, name), weights[f"crf.{name}"][words])
    assign(head.crf.transitions, weights["crf.transitions"][words, words])
    expected = golden["derived_word_level"]
    tags = pad_sequence([torch.tensor(row) for row in expected["tags"]], batch_first=True)
    emissions = head(fusion(encoder, text, visual, {}), text)
    assert_near(head.loss(emissions, text, {"tags": tags}), expected["loss_mean"], LOSSES)
    assert head.crf.decode(emissions, text.word_mask) == expected["paths"]


@golden_cases("adapcoatt")
def test_gradients_have_the_norms_of_the_port_and_left_out_parameters_have_none(golden):
    fusion, encoder, text, visual, weights = paper_model(golden, padding="attend")
    head, norms = golden_head(fusion, weights), golden["pads_read"]["gradient_norms"]
    loss = head.loss(head(fusion(encoder, text, visual, {}), text), text, {"tags": golden.tensor("labels")})
    block, bert = fusion.co_attention, encoder.model
    parameters = {
        "bert.embeddings.word_embeddings.weight": bert.embeddings.word_embeddings.weight,
        "dim_match.0.weight": block.region.weight,
        "co_attention.img_linear_1.weight": block.to_cells.key.weight,
        "co_attention.text_linear_2.weight": block.to_words.key.weight,
        "gmf.gate_linear.weight": block.gated_fusion.gate.weight,
        "filtration_gate.text_linear.weight": block.filtration.text.weight,
        "filtration_gate.gate_linear.weight": block.filtration.gate.weight,
        "filtration_gate.resv_linear.weight": block.filtration.signal.weight,
        "filtration_gate.output_linear.weight": block.output.weight,
        "crf.transitions": head.crf.transitions,
    }
    for name, norm in gradient_norms(loss, parameters).items():
        assert norm == pytest.approx(norms[name], rel=1e-3, abs=5e-5), name
    halves = ("text_linear_1.weight", "text_linear_1.bias", "img_linear_2.weight", "img_linear_2.bias")
    for name in (*halves, "att_linear_1.bias", "att_linear_2.bias"):
        assert not norms.get(f"co_attention.{name}")


@golden_cases("adapcoatt")
def test_the_equations_of_the_release_give_the_states_of_the_release(golden):
    fusion, encoder, text, visual, weights = golden_model(golden, equations="release", padding="attend")
    weights |= golden.parameters("A", "keras_release")
    block, width, expected = fusion.co_attention, golden["config"]["k"], golden["keras_release"]
    linears(
        block,
        weights,
        {
            "to_cells.key": "keras.score_region",
            "to_words.key": "keras.text_value",
            "region": "keras.value_region",
            "cells": "keras.a",
            "words": "keras.c",
            "gate": "keras.gate",
            "mix": "keras.mix",
            "filtration": "keras.filtration",
            "word": "keras.word",
        },
    )
    assign(block.to_cells.score.weight, weights["keras.score_out.weight"][:, :width])  # image half first
    assign(block.to_words.score.weight, weights["keras.text_score_out.weight"][:, width:])
    fused = fused_by(fusion, encoder, text, visual)
    for tensor, key in (
        (fused.cell_weights, "alpha"),
        (fused.word_weights, "beta"),
        (fused.cells, "v_hat"),
        (fused.words, "h_hat"),
        (fused.multimodal, "m"),
    ):
        assert_near(tensor.squeeze(1), expected[key])
    assert_near(fused.image_gate.flatten(), expected["g"])
    assert_near(fused.filtration.flatten(), expected["s"])
    head = golden_head(fusion, {name: tensor for name, tensor in weights.items() if "crf." not in name}, "keras.out")
    emissions = head(fusion(encoder, text, visual, {}), text)
    assert_near(emissions, expected["emissions"])
    assign(head.crf.transitions, weights["crf.U"])
    assign(head.crf.start_transitions, weights["crf.b_start"])
    assign(head.crf.end_transitions, weights["crf.b_end"])
    everything = replace(text, mask=torch.ones_like(text.mask))  # its CRF tags padding too
    loss = head.loss(emissions, everything, {"tags": golden.tensor("labels")})
    assert_near(loss, expected["loss_mean_over_padded_positions"], LOSSES)
