"""The network with the weights of the golden files has the numbers of the authors' code."""

from __future__ import annotations

import golden_clip
import pytest
import torch
from golden import assert_near, golden_cases, load_module
from golden_clip import STATES, System

KINDS = pytest.mark.parametrize("kind", ["ner", "re"])
ORACLES = {
    "text_pads_hidden": {},
    "no_pgi": {"pgi": False, "pads_seen": True},
    "no_caf": {"caf": False, "pads_seen": True},
    "neither": {"pgi": False, "caf": False},
    "two_fused": {"num_fusion_layers": 2, "pads_seen": True},
}


def system_of(golden, kind, folder, **options) -> System:
    system = golden_clip.system_of(golden, kind, folder, "m-encoder", **options)
    for number, correlation in enumerate(system.fusion.correlations, system.fusion.first):
        name = f"model.encoder.text_layer.{number}.intermediate.fusion_dense."
        load_module(correlation.linear, system.weights, name)
    return system


@KINDS
@golden_cases("mkgformer")
@torch.no_grad()
def test_states_of_each_layer_are_those_of_the_authors(golden, kind, tmp_path):
    golden_clip.check_states(golden, kind, system_of(golden, kind, tmp_path, pads_seen=True), 12)


@KINDS
@golden_cases("mkgformer")
@torch.no_grad()
def test_contexts_and_image_tokens_of_fused_layers_are_those_of_the_authors(golden, kind, tmp_path):
    system, seen = system_of(golden, kind, tmp_path, pads_seen=True), []
    for correlation in system.fusion.correlations:
        correlation.register_forward_pre_hook(
            lambda module, inputs: seen.append((inputs[0], module.aggregate(*inputs)[0]))
        )
    system.fused()
    states, mask = golden[kind]["states"], system.text.mask
    assert len(seen) == len(states["context"]) == 4
    for layer, (context, fused) in enumerate(seen, 8):
        assert_near(context[..., :6][mask], torch.tensor(states["context"][str(layer)])[mask], STATES)
        assert_near(fused[..., :6][mask], torch.tensor(states["fusion"][str(layer)])[mask], STATES)


@KINDS
@golden_cases("mkgformer")
def test_scores_loss_predictions_and_gradients_are_those_of_the_authors(golden, kind, tmp_path):
    system = system_of(golden, kind, tmp_path, pads_seen=True)
    loss = golden_clip.check_scores(golden, kind, system)
    names = {
        f"model.encoder.text_layer.{layer}.intermediate.fusion_dense.{leaf}": getattr(correlation.linear, leaf)
        for layer, correlation in enumerate(system.fusion.correlations, system.fusion.first)
        for leaf in ("weight", "bias")
    }
    golden_clip.check_gradients(golden, kind, system, loss, names)


@pytest.mark.parametrize("name", ORACLES)
@KINDS
@golden_cases("mkgformer")
def test_scores_with_other_options_are_those_of_the_equations(golden, kind, name, tmp_path):
    system = system_of(golden, kind, tmp_path, **ORACLES[name])
    golden_clip.check_scores(golden, kind, system, "own_oracle", name)
