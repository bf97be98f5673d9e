from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
import tiny
import torch
from raising import raises

import hvpkit
from hvpkit.config.loading import load_recipe
from hvpkit.errors import ComponentError
from hvpkit.evaluation.evaluate import evaluate
from hvpkit.explain.explain_example import explain_example
from hvpkit.inference.inputs import parse_example
from hvpkit.interfaces import FusionContext, Trace, Visual
from hvpkit.registry import load_registry
from hvpkit.saving.model_folder import open_model_folder
from hvpkit.testing import check_fusion
from hvpkit.testing.fusions import AveragePoolBackbone
from hvpkit.testing.inputs import EXAMPLES, LABELS, encode, random_visual, small_bert, text_batch
from hvpkit.training.train import train

FACTORY = load_registry().get("fusion", "bert-sg").factory
OPTIONS = [{}, {"attention": True}, {"levels": "all"}]
CELLS = 2


def context_of(encoder, backbone) -> FusionContext:
    return FusionContext(LABELS["mre"], encoder, backbone, CELLS, True, 2, lambda kind, spec, context: None)


def system_of(**options):
    """A fusion, its encoder, three texts and the images of two of them."""
    torch.manual_seed(0)
    encoder = small_bert("mre")
    fusion = FACTORY(context_of(encoder, AveragePoolBackbone()), **options).eval()
    text = text_batch(encoder, encode(encoder, EXAMPLES["mre"]))
    return fusion, encoder, text, random_visual([3, 3], CELLS)


def changed(visual: Visual, level: torch.Tensor) -> Visual:
    return replace(visual, levels=(visual.levels[0], level))


@pytest.mark.parametrize("options", OPTIONS)
def test_it_keeps_the_contract(options):
    check_fusion(FACTORY, task="mre", **options)


def test_its_module_comes_without_torch():
    program = "import sys, hvpkit_plugins.bertsg; print('torch' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "False\n"
    )


def test_the_result_is_the_written_out_one():
    fusion, encoder, text, visual = system_of()
    states, pooled = encoder(text).states, fusion(encoder, text, visual, {}).pooled
    for row in range(3):
        relation = torch.cat([states[row, text.head_position[row]], states[row, text.tail_position[row]]])
        objects = [
            fusion.objects(visual.levels[-1][row, image, :, cell])
            for image in range(3)
            for cell in range(CELLS)
            if visual.mask[row, image]
        ]
        mean = sum(objects) / len(objects) if objects else torch.zeros(fusion.width)
        torch.testing.assert_close(pooled[row], fusion.join(torch.cat([relation, mean])))


@pytest.mark.parametrize("attention", [False, True])
def test_the_order_of_objects_does_not_matter_and_missing_ones_have_no_weight(attention):
    fusion, encoder, text, visual = system_of(attention=attention)
    before, trace = fusion(encoder, text, visual, {}).pooled, Trace()
    reordered = visual.levels[-1].flip(3)  # the cells of each image
    torch.testing.assert_close(fusion(encoder, text, changed(visual, reordered), {}).pooled, before)
    noise = torch.where(visual.mask[..., None, None], visual.levels[-1], torch.tensor(9.0))
    torch.testing.assert_close(fusion(encoder, text, changed(visual, noise), {}, trace).pooled, before)
    weights = trace.extra_tensors["object weights"]
    exists = visual.mask.repeat_interleave(CELLS, dim=1)
    assert not weights[~exists].any()
    torch.testing.assert_close(weights.sum(1), exists.any(1).float())


def test_attention_depends_on_the_relation():
    fusion, encoder, text, visual = system_of(attention=True)
    weights = []
    for one in (text, replace(text, head_position=text.tail_position, tail_position=text.head_position)):
        trace = Trace()
        fusion(encoder, one, visual, {}, trace)
        weights.append(trace.extra_tensors["object weights"][0])
    assert not torch.allclose(*weights)


def test_images_are_needed():
    with raises(ComponentError, "bert-sg-without-vision"):
        FACTORY(context_of(small_bert("mre"), None))


@pytest.mark.parametrize("attention", ["false", "true"])
def test_it_is_trained_scored_and_asked(mre_data, tmp_path, attention):
    text = "text={encoder: bert-from-scratch, width: 16, num_layers: 1, num_attention_heads: 2}"
    overrides = (text, f"fusion={{name: bert-sg, attention: {attention}}}", "head=cls", "train.epochs=2")
    recipe = tiny.recipe(tmp_path, mre_data.folder, "mre", overrides=overrides)
    finished = train(recipe, load_registry(), tmp_path / "model")
    assert evaluate(open_model_folder(finished.folder), "test").scores == finished.test
    predictor = hvpkit.load(finished.folder, device="cpu")
    explained = explain_example(predictor, parse_example(mre_data.examples("test")[0], predictor.folder.recipe))
    weights = explained.extra_tensors["object weights"]
    assert sum(weights) == pytest.approx(1)
    assert len(set(weights)) > 1 or attention == "false"
    assert {change.kind for change in explained.counterfactuals} == {"no images", "no object", "no full image"}


def test_the_recipes_have_mega_s_settings_and_the_shared_ones():
    names = ("bertsg_mre", "bertsg_common_mre", "umt_common_mre")
    paper, common, umt = (load_recipe(name, registry=load_registry()) for name in names)
    spec = paper.train
    assert (spec.optimizer, spec.lr, spec.batch_size, spec.epochs, spec.warmup_steps) == (
        "bert-adam",
        2e-5,
        32,
        10,
        300,
    )
    assert (paper.vision.num_images, paper.vision.full_image, paper.head.options["dropout"]) == (10, False, 0.5)
    assert (common.train, common.vision, common.text, common.data) == (umt.train, umt.vision, umt.text, umt.data)
