"""The network with the weights of the golden files has the numbers of DeepKE's code."""

from __future__ import annotations

import golden_clip
import pytest
import torch
from golden import golden_cases

KINDS = pytest.mark.parametrize("kind", ["ner", "re"])


@KINDS
@golden_cases("ifaformer")
@torch.no_grad()
def test_states_of_each_layer_are_those_of_the_authors(golden, kind, tmp_path):
    system = golden_clip.system_of(golden, kind, tmp_path, "ifa", parity_bugs=True)
    golden_clip.check_states(golden, kind, system, 5)  # of the last vision layer only keys and values are computed


@KINDS
@golden_cases("ifaformer")
def test_scores_loss_predictions_and_gradients_are_those_of_the_authors(golden, kind, tmp_path):
    system = golden_clip.system_of(golden, kind, tmp_path, "ifa", parity_bugs=True)
    loss = golden_clip.check_scores(golden, kind, system)
    golden_clip.check_gradients(golden, kind, system, loss, {})


@KINDS
@golden_cases("ifaformer")
def test_scores_without_the_defects_are_those_of_the_equations(golden, kind, tmp_path):
    system = golden_clip.system_of(golden, kind, tmp_path, "ifa")
    golden_clip.check_scores(golden, kind, system, "own_oracle", "corrected")
