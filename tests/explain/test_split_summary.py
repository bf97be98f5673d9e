"""Means over a split, and the rank correlation of layer depth and mean level."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import hvpkit
from hvpkit.explain.explain_example import explain_example
from hvpkit.explain.split_summary import depth_and_level, summarize
from hvpkit.inference.inputs import parse_example
from hvpkit.utils.bootstrap import rank_correlation_with_position


def test_layers_that_take_coarser_and_coarser_levels_correlate_fully():
    levels = np.linspace(1, 4, 12) + np.random.default_rng(1).normal(scale=0.01, size=(50, 12))
    found = depth_and_level(levels)
    assert (found.of_means.value, found.of_means.low, found.of_means.high) == pytest.approx((1, 1, 1))
    assert depth_and_level(-levels).of_means.value == pytest.approx(-1)


def test_the_interval_covers_what_other_samples_would_give():
    """Of many samples of one population, about 95% of the intervals hold the value of the whole population."""
    rng = np.random.default_rng(2)
    population = rng.normal(size=(4000, 6)) + 0.05 * np.arange(6)
    truth = float(rank_correlation_with_position(population).mean())
    found = [depth_and_level(population[rng.integers(0, 4000, 60)], seed, 300) for seed in range(60)]
    assert 50 <= sum(each.within.low <= truth <= each.within.high for each in found) <= 60
    assert depth_and_level(population, 3, 50) == depth_and_level(population, 3, 50)


def test_layers_without_a_difference_have_no_correlation():
    found = depth_and_level(np.full((5, 4), 4.0))
    assert (found.of_means, found.within) == (None, None)


@pytest.fixture(scope="module")
def predictor(mner_model):
    return hvpkit.load(mner_model, device="cpu")


def test_means_are_those_of_the_examples_one_by_one(predictor, mner_data, bars):
    examples = mner_data.examples("test")
    found = summarize(predictor, examples, "test of tiny")
    [bar] = bars
    assert (bar.total, bar.done) == (len(examples), len(examples)) and found.examples == len(examples)
    explanations = [explain_example(predictor, parse_example(example, predictor.folder.recipe)) for example in examples]
    with_images = [each for each in explanations if each.images]
    assert found.with_images == len(with_images) == 5
    gates = np.stack([np.array(each.gates.weights).mean(0) for each in with_images])  # [examples, N, C]
    assert np.array(found.layer_levels) == pytest.approx(gates.mean(0), abs=1e-5)
    assert found.correlation.of_means.value == depth_and_level(gates @ np.arange(1, 5)).of_means.value
    everyone, *by_type = found.groups
    assert (everyone.name, everyone.count) == ("all", 10)
    assert {group.name: group.count for group in by_type} == {"LOC": 5, "PER": 5}
    assert sum(everyone.levels) == pytest.approx(1, abs=1e-5)
    assert everyone.full_image + everyone.objects + everyone.text == pytest.approx(1, abs=1e-5)


def test_groups_are_made_of_gold_answers(predictor, mner_data):
    """A type's attention is that of its gold entities, whatever the model finds."""
    example = replace(mner_data.examples("test")[1], tags=None)
    assert summarize(predictor, [example], "one").groups == ()
    words = len(example.words)
    tagged = replace(example, tags=("B-PER", *["O"] * (words - 1)))
    found = summarize(predictor, [tagged], "one")
    attention = explain_example(predictor, parse_example(tagged, predictor.folder.recipe)).attention[0]
    assert [group.name for group in found.groups] == ["all", "PER"]
    assert found.groups[1].full_image == pytest.approx(attention.by_image((0, 1))[0], abs=1e-5)
    assert found.groups[1].text == pytest.approx(attention.on_text((0, 1)), abs=1e-5)


def test_what_cannot_be_read_is_counted_and_left_out(predictor, mner_data, tmp_path):
    examples = mner_data.examples("test")
    broken = [replace(examples[0], image=tmp_path / "missing.png"), *examples[1:]]
    found = summarize(predictor, broken, "broken")
    assert (found.unread, found.with_images) == (1, 4)
    assert (found.first_error.code, found.first_error.fields) == ("image-missing", {"file": tmp_path / "missing.png"})


def test_relations_are_grouped_by_relation(mre_model, mre_data):
    predictor = hvpkit.load(mre_model, device="cpu")
    found = summarize(predictor, mre_data.examples("test"), "test of tiny")
    assert {group.name for group in found.groups} == {
        "all",
        *(e.relation for e in mre_data.examples("test") if e.image is not None),
    }
    assert found.layer_images is not None


def test_text_alone_has_nothing_to_sum_up(mner_text_model, mner_data):
    found = summarize(hvpkit.load(mner_text_model, device="cpu"), mner_data.examples("test"), "test of tiny")
    assert (found.with_images, found.groups, found.correlation, found.layer_levels) == (0, (), None, None)
