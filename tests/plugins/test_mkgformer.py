from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
import torch
from clip_systems import check_life, check_padding, check_regions, check_trace, system_of, text_alone
from raising import raises
from small_models import save_clip

from hvpkit.config.loading import load_recipe
from hvpkit.errors import ComponentError
from hvpkit.interfaces import FusionContext
from hvpkit.registry import load_registry
from hvpkit.testing import check_fusion
from hvpkit.testing.inputs import LABELS, small_bert
from hvpkit_plugins.mkgformer.layers import CorrelationFusion

FACTORY = load_registry().get("fusion", "m-encoder").factory


@pytest.mark.parametrize("task", ["mner", "mre"])
@pytest.mark.parametrize("options", [{}, {"num_fusion_layers": 1}, {"pgi": False, "levels": "all"}, {"caf": False}])
def test_it_keeps_the_contract(task, options):
    check_fusion(FACTORY, task=task, **options)


def test_its_module_comes_without_torch():
    program = "import sys, hvpkit_plugins.mkgformer; print('torch' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "False\n"
    )


@torch.no_grad()
def test_regions_change_the_states_and_missing_ones_do_not(tmp_path):
    check_regions(system_of(tmp_path, "m-encoder"))


@torch.no_grad()
def test_without_both_fusions_the_states_are_those_of_bert(tmp_path):
    system = system_of(tmp_path, "m-encoder", pgi=False, caf=False)
    expected = text_alone(system.encoder, system.text)
    torch.testing.assert_close(system.states(system.visual)[system.text.mask], expected[system.text.mask])


@torch.no_grad()
def test_without_weights_and_bias_the_correlation_leaves_bert_as_it_was(tmp_path):
    system = system_of(tmp_path, "m-encoder")
    expected, mask = text_alone(system.encoder, system.text), system.text.mask
    for correlation in system.fusion.correlations:
        correlation.linear.weight.zero_()
    assert not torch.allclose(system.states(system.visual)[mask], expected[mask], atol=1e-4)
    for correlation in system.fusion.correlations:
        correlation.linear.bias.zero_()
    torch.testing.assert_close(system.states(system.visual)[mask], expected[mask], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_padding_of_the_text_is_hidden_unless_it_is_asked_for(tmp_path):
    assert check_padding(system_of(tmp_path / "hidden", "m-encoder"))
    assert not check_padding(system_of(tmp_path / "seen", "m-encoder", pads_seen=True))


@torch.no_grad()
def test_trace_has_the_correlations_of_fused_layers(tmp_path):
    check_trace(system_of(tmp_path, "m-encoder", num_fusion_layers=2), 1, 2, sees_text=False)


@torch.no_grad()
def test_correlation_is_the_written_out_one():
    torch.manual_seed(0)
    fusion, context, tokens = CorrelationFusion(4, 6), torch.randn(2, 3, 4), torch.randn(2, 5, 4)
    exists = torch.tensor([[True, True, False, True, False], [False] * 5])
    added, weights = fusion(context, tokens, exists)
    assert not added[1].any() and not weights[1].any()
    for position in range(3):
        exponents = [float((context[0, position] @ tokens[0, s]).exp()) if exists[0, s] else 0.0 for s in range(5)]
        expected = [exponent / sum(exponents) for exponent in exponents]
        assert weights[0, position].tolist() == pytest.approx(expected, abs=1e-6)
        mixed = sum(share * tokens[0, s] for s, share in enumerate(expected))
        torch.testing.assert_close(added[0, position], fusion.linear(mixed), atol=1e-5, rtol=1e-5)


def test_images_and_enough_layers_are_needed(tmp_path):
    encoder = small_bert("mner")
    context = FusionContext(LABELS["mner"], encoder, None, 4, True, 2, lambda *parts: None)
    with raises(ComponentError, "m-encoder-without-vision"):
        FACTORY(context)
    with raises(ComponentError, "m-encoder-fusion-layers", found=4, layers=3):
        system_of(tmp_path, "m-encoder", num_fusion_layers=4)


def test_a_clip_of_other_sizes_is_refused(tmp_path):
    other = save_clip(tmp_path / "other", num_hidden_layers=2)
    with raises(ComponentError, "clip-sizes-differ", fusion="m-encoder", found=[32, 2, 2], expected=[32, 3, 2]):
        system_of(tmp_path, "m-encoder", clip=str(other))


@pytest.mark.parametrize("task", ["mner", "mre"])
def test_it_is_trained_scored_and_asked_without_the_folders_that_it_began_with(task, request, tmp_path):
    def remove(folder):
        shutil.rmtree(folder / "clip")
        shutil.rmtree(folder / "bert")

    data = request.getfixturevalue(f"{task}_data")
    check_life(data, task, tmp_path, lambda clip: f"{{name: m-encoder, clip: {clip}, num_fusion_layers: 2}}", remove)


def test_the_recipes_have_the_settings_of_the_authors():
    mner, mre = (load_recipe(f"mkgformer_{task}", registry=load_registry()) for task in ("mner", "mre"))
    settings = [
        (r.train.lr, r.train.head_lr, r.train.batch_size, r.train.epochs, r.train.warmup, r.data.max_length)
        for r in (mner, mre)
    ]
    assert settings == [(3e-5, 5e-2, 16, 30, 0.01, 128), (1e-5, None, 32, 12, 0.06, 80)]
    for recipe in (mner, mre):
        assert recipe.vision is not None
        assert (recipe.vision.num_images, recipe.vision.full_image, recipe.vision.missing) == (6, False, "zeros")
        assert (recipe.train.decay_all, recipe.train.max_grad_norm, recipe.vision.frozen) == (True, 0, False)
        assert "pads_seen" not in recipe.fusion.options
