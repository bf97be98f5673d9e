from __future__ import annotations

from dataclasses import replace

import pytest
import tiny
import torch
from raising import raises
from torch import nn

from hvpkit.batching import Batcher
from hvpkit.config.loading import load_recipe
from hvpkit.errors import ComponentError
from hvpkit.interfaces import Fused, TextBatch, Trace
from hvpkit.model.model import build_model
from hvpkit.registry import load_registry
from hvpkit.testing import check_fusion
from hvpkit.testing.fusions import _context
from hvpkit.testing.inputs import EXAMPLES, encode, random_visual, small_bert, text_batch, without_images
from hvpkit_plugins.adapcoatt.attention import AddAttention

REGISTRY = load_registry()
adapcoatt = REGISTRY.get("fusion", "adapcoatt").factory


# ------------------------------------------------------------------------------------------------------------ contract
OPTIONS = [{}, {"combine": "add"}, {"equations": "release"}, {"levels": "all", "dropout": 0.0}]


@pytest.mark.parametrize("task", ["mner", "mre"])
@pytest.mark.parametrize("options", OPTIONS)
def test_with_any_options_it_keeps_the_contract(options, task):
    check_fusion(adapcoatt, task=task, **options)


def built(**options):
    torch.manual_seed(0)
    encoder = small_bert("mner")
    fusion = adapcoatt(_context("mner", encoder), **options).eval()
    text = text_batch(encoder, encode(encoder, EXAMPLES["mner"]))
    return fusion, encoder, text, random_visual((3, 3), 4)


@pytest.mark.parametrize(
    ("options", "code"),
    [({"equations": "release", "combine": "add"}, "adapcoatt-release-adds")],
)
def test_options_that_exclude_each_other_are_refused(options, code):
    with raises(ComponentError, code):
        built(**options)


def test_without_a_vision_section_it_is_refused():
    with raises(ComponentError, "adapcoatt-without-vision"):
        adapcoatt(replace(_context("mner", small_bert("mner")), backbone=None))


# ----------------------------------------------------------------------------------------------------------- attention
@torch.no_grad()
def test_concatenated_scores_are_the_same_for_all_words_and_equal_the_factorized_ones():
    fusion, encoder, text, visual = built()
    words, (cells, exists) = encoder(text).states, visual.cells()
    attention, width = fusion.co_attention.to_cells, fusion.width
    keys = fusion.co_attention.region(cells).tanh()
    query, scorer = nn.Linear(width, width), nn.Linear(2 * width, 1)  # what cancels, with any values
    scorer.weight[:, width:] = attention.score.weight
    for row in (0, 1):
        for one in words[row, text.mask[row]]:
            scores = torch.stack(
                [scorer(torch.cat([query(one), attention.key(key)]).tanh()) for key in keys[row, exists[row]]]
            )
            weights = attention(words, keys, exists)[row, 0, exists[row]]
            torch.testing.assert_close(scores.squeeze(-1).softmax(0), weights, atol=1e-6, rtol=0)


@torch.no_grad()
def test_added_scores_differ_between_words_and_are_the_written_out_ones():
    fusion, encoder, text, visual = built(combine="add")
    attention = fusion.co_attention.to_cells
    assert isinstance(attention, AddAttention)
    words, (cells, exists) = encoder(text).states, visual.cells()
    keys = fusion.co_attention.region(cells).tanh()
    weights = attention(words, keys, exists)
    assert float((weights[0, 0] - weights[0, 1]).abs().max()) > 1e-4
    for row in (0, 1):
        for position in range(int(text.mask[row].sum())):
            hidden = (attention.query(words[row, position]) + attention.key(keys[row, exists[row]])).tanh()
            expected = (hidden @ attention.score.weight[0]).softmax(0)
            torch.testing.assert_close(weights[row, position, exists[row]], expected, atol=1e-6, rtol=1e-5)


@torch.no_grad()
def test_an_image_changes_the_states_and_without_one_they_are_a_map_of_the_words():
    fusion, encoder, text, visual = built()
    with_image, without = (fusion(encoder, text, one, {}).states for one in (visual, None))
    assert [bool((with_image - without)[row].abs().max() > 1e-4) for row in range(3)] == [True, True, False]
    words = encoder(text).states
    expected = fusion.co_attention.output(torch.cat([words, torch.zeros_like(words)], dim=-1))
    torch.testing.assert_close(without, expected)


@pytest.mark.parametrize("options", OPTIONS)
def test_gradients_are_finite_where_no_image_exists(options):
    fusion, encoder, text, visual = built(**options)
    fusion(encoder, text, without_images(visual), {}).states.sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in fusion.parameters() if parameter.grad is not None)


@torch.no_grad()
def test_content_of_padding_changes_nothing_unless_padding_is_attended_to():
    for padding, is_same in (("mask", True), ("attend", False)):
        fusion, encoder, text, visual = built(padding=padding)
        longer = TextBatch(
            {"input_ids": nn.functional.pad(text.features["input_ids"], (0, 5))},
            nn.functional.pad(text.mask, (0, 5)),
            text.word_starts,
            text.word_mask,
            nn.functional.pad(text.word_ids, (0, 5), value=-1),
        )
        short, long = (fusion(encoder, one, visual, {}).states for one in (text, longer))
        difference = (short - long[:, : short.shape[1]])[:2][text.mask[:2]].abs().max()
        assert bool(difference < 1e-5) is is_same


@torch.no_grad()
def test_a_trace_shows_attention_to_cells_and_both_gates():
    fusion, encoder, text, visual = built(combine="add")
    trace = Trace()
    fusion(encoder, text, visual, {}, trace)
    exists, (attention,) = visual.mask.repeat_interleave(4, dim=1), trace.attention
    assert torch.equal(trace.cells, torch.arange(12)[None])
    assert attention.shape == (3, 1, text.mask.shape[1], 12 + text.mask.shape[1])
    assert not attention[..., :12].permute(0, 3, 1, 2)[~exists].any()
    assert torch.equal(attention[2, 0, :, 12:], torch.eye(text.mask.shape[1]))  # the third example has no image
    for name in ("image gate", "filtration gate"):
        assert trace.extra_tensors[name].shape == text.mask.shape
    assert not trace.extra_tensors["filtration gate"][2].any()


# ------------------------------------------------------------------------------------------------- training and recipes
@pytest.mark.parametrize("combine", ["concat", "add"])
def test_it_learns(combine, mner_data, tmp_path):
    overrides = (f"fusion={{name: adapcoatt, combine: {combine}}}", "vision.grid=2")
    recipe = tiny.recipe(tmp_path, mner_data.folder, "mner", overrides=overrides)
    torch.manual_seed(3)
    model = build_model(recipe, REGISTRY, mner_data.labels, mner_data.examples("train")).train()
    batcher = Batcher(model, recipe)
    batch = batcher.collate([batcher.encode(one, labeled=True) for one in list(mner_data.examples("train"))[:6]])
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        loss = model(batch).loss
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]


def test_the_recipe_reads_49_cells_of_vgg():
    vision = load_recipe("adapcoatt_mner").vision
    assert vision is not None
    assert (vision.backbone, vision.grid, vision.full_image, vision.max_objects) == ("vgg16", 7, True, 0)


def test_a_head_of_wordpieces_works(mner_data, tmp_path):
    overrides = ("fusion=adapcoatt", "head={name: crf, labels: wordpieces}")
    recipe = tiny.recipe(tmp_path, mner_data.folder, "mner", overrides=overrides)
    model = build_model(recipe, REGISTRY, mner_data.labels, mner_data.examples("train")).eval()
    batcher = Batcher(model, recipe)
    batch = batcher.collate([batcher.encode(one, labeled=True) for one in list(mner_data.examples("train"))[:2]])
    assert model.head(Fused(model.fusion(model.text, batch.text, None, {}).states), batch.text).shape[2] == 5 + 4
