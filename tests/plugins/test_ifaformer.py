from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
import torch
from clip_systems import check_life, check_padding, check_regions, check_trace, system_of, text_alone
from raising import raises

from hvpkit.config.loading import load_recipe
from hvpkit.errors import ComponentError
from hvpkit.interfaces import FusionContext
from hvpkit.registry import load_registry
from hvpkit.testing import check_fusion
from hvpkit.testing.inputs import LABELS, small_bert, without_images

FACTORY = load_registry().get("fusion", "ifa").factory


@pytest.mark.parametrize("task", ["mner", "mre"])
@pytest.mark.parametrize("options", [{}, {"levels": "all"}])
def test_it_keeps_the_contract(task, options):
    check_fusion(FACTORY, task=task, **options)


def test_its_module_comes_without_torch():
    program = "import sys, hvpkit_plugins.ifaformer; print('torch' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "False\n"
    )


@torch.no_grad()
@pytest.mark.parametrize("parity_bugs", [False, True])
def test_regions_change_the_states_and_missing_ones_do_not(tmp_path, parity_bugs):
    if not parity_bugs:  # with the defects, a head reads whole tokens, of missing crops too
        check_regions(system_of(tmp_path, "ifa"))
    system = system_of(tmp_path, "ifa", parity_bugs=parity_bugs)
    seen, blind = (system.states(given) for given in (system.visual, None))
    assert (seen - blind)[0].abs().max() > 1e-4
    torch.testing.assert_close(seen[2], blind[2], atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("parity_bugs", [False, True])
def test_without_images_the_states_are_those_of_bert(tmp_path, parity_bugs):
    system = system_of(tmp_path, "ifa", parity_bugs=parity_bugs)
    expected, mask = text_alone(system.encoder, system.text), system.text.mask
    for visual in (None, without_images(system.visual)):
        torch.testing.assert_close(system.states(visual)[mask], expected[mask], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_padding_of_the_text_is_hidden_without_the_defects(tmp_path):
    assert check_padding(system_of(tmp_path / "right", "ifa"))
    assert not check_padding(system_of(tmp_path / "defects", "ifa", parity_bugs=True))


@torch.no_grad()
def test_trace_has_the_attention_of_all_layers(tmp_path):
    check_trace(system_of(tmp_path, "ifa"), 2, 3, sees_text=True)


@pytest.mark.parametrize(("parity_bugs", "used"), [(False, 6), (True, 4)])
def test_what_the_text_does_not_see_of_the_last_vision_layer_is_not_trained(tmp_path, parity_bugs, used):
    system = system_of(tmp_path, "ifa", parity_bugs=parity_bugs)
    trained = [name for name, p in system.fusion.vision.layers[-1].named_parameters() if p.requires_grad]
    assert len(trained) == used
    system.states(system.visual).sum().backward()
    assert all(p.grad is not None for p in system.fusion.parameters() if p.requires_grad)


def test_images_are_needed():
    context = FusionContext(LABELS["mner"], small_bert("mner"), None, 4, True, 2, lambda *parts: None)
    with raises(ComponentError, "ifa-without-vision"):
        FACTORY(context)


@pytest.mark.parametrize(("task", "parity_bugs"), [("mner", "false"), ("mre", "false"), ("mre", "true")])
def test_it_is_trained_scored_and_asked_without_the_folders_that_it_began_with(task, parity_bugs, request, tmp_path):
    def remove(folder):
        shutil.rmtree(folder / "clip")
        shutil.rmtree(folder / "bert")

    data = request.getfixturevalue(f"{task}_data")
    check_life(data, task, tmp_path, lambda clip: f"{{name: ifa, clip: {clip}, parity_bugs: {parity_bugs}}}", remove)


def test_the_recipes_have_the_settings_of_the_authors():
    mner, mre = (load_recipe(f"ifaformer_{task}", registry=load_registry()) for task in ("mner", "mre"))
    rates = [(r.train.lr, r.train.vision_lr, r.train.fusion_lr, r.train.head_lr) for r in (mner, mre)]
    assert rates == [(5e-5, 3e-5, 3e-5, 5e-2), (1e-5, None, None, None)]
    settings = [(r.train.batch_size, r.train.epochs, r.train.warmup, r.data.max_length) for r in (mner, mre)]
    assert settings == [(32, 30, 0.06, 40), (32, 12, 0.06, 80)]
    for recipe in (mner, mre):
        assert recipe.vision is not None
        assert (recipe.vision.num_images, recipe.vision.full_image, recipe.vision.missing) == (6, False, "zeros")
        assert "parity_bugs" not in recipe.fusion.options
