from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import tiny
import torch
from raising import raises
from torch import Tensor

import hvpkit_plugins
from hvpkit.batching import pad_texts
from hvpkit.config.loading import load_recipe
from hvpkit.errors import ComponentError
from hvpkit.evaluation.evaluate import evaluate
from hvpkit.interfaces import Fused, HeadContext, TextBatch, TextContext
from hvpkit.registry import load_registry
from hvpkit.saving.model_folder import open_model_folder
from hvpkit.testing import check_head, check_text_encoder
from hvpkit.testing.inputs import EXAMPLES, LABELS
from hvpkit.training.train import train
from hvpkit.types import Example, Span

ENCODER = load_registry().get("text encoder", "pcnn").factory
HEAD = load_registry().get("head", "piecewise-max").factory
SMALL = {"filters": 6, "word_width": 5, "position_width": 3}
WIDTH = 6


def encoder_of(**options):
    torch.manual_seed(0)
    return ENCODER(TextContext("mre", EXAMPLES["mre"]), **SMALL, **options).eval()


def head_of(**options):
    torch.manual_seed(0)
    return HEAD(HeadContext(LABELS["mre"], WIDTH), **options).eval()


def batch_of(encoder, *examples: Example) -> TextBatch:
    return pad_texts([encoder.encode(example, 64) for example in examples], encoder.pad_values())


def pair(words: str, head: int, tail: int) -> Example:
    return Example("1", tuple(words.split()), head=Span(head, head + 1), tail=Span(tail, tail + 1), relation="None")


# -------------------------------------------------------------------------------------------------------------- the
# contract
@pytest.mark.parametrize("options", [{}, {"max_distance": 2, "singleton_unk": 0.0, "input_dropout": 0.5}])
def test_the_encoder_keeps_the_contract(options):
    check_text_encoder(ENCODER, task="mre", **SMALL, **options)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_head_keeps_the_contract_over_any_encoder(activation):
    check_head(HEAD, task="mre", activation=activation)
    check_head(HEAD, task="mre", activation=activation, encoder=encoder_of())


def test_its_module_comes_without_torch():
    file = Path(hvpkit_plugins.__path__[0]) / "pcnn" / "__init__.py"
    program = f"import runpy, sys; runpy.run_path({str(file)!r}); print('torch' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "False\n"
    )


@pytest.mark.parametrize("part", ["text.encoder=pcnn", "head=piecewise-max"])
def test_it_is_for_relations_alone(tmp_path, part):
    with raises(ComponentError, "components-do-not-fit") as refused:
        from hvpkit.config.compatibility import check_compatibility

        check_compatibility(
            tiny.recipe(tmp_path, tmp_path, "mner", images=False, overrides=("text={encoder: cnn-bilstm}", part)),
            load_registry(),
        )
    name = part.partition("=")[2]
    [problem] = [problem.message for problem in refused.value.problems if problem.message.fields.get("name") == name]
    assert (problem.code, problem.fields["tasks"], problem.fields["task"]) == ("wrong-task", ["mre"], "mner")


# --------------------------------------------------------------------------------------------------------------- the
# encoder
def test_default_sizes_are_those_of_opennre():
    encoder, head = ENCODER(TextContext("mre", EXAMPLES["mre"])), HEAD(HeadContext(LABELS["mre"], 230))
    assert (encoder.convolution.in_channels, encoder.width, encoder.convolution.kernel_size) == (50 + 2 * 5, 230, (3,))
    assert encoder.head_distances.weight.shape == encoder.tail_distances.weight.shape == (256, 5)
    assert head.linear.in_features == 3 * 230


def test_distances_count_from_each_entity_s_start_and_end_at_the_reach():
    encoder = encoder_of(max_distance=3)
    text = batch_of(encoder, pair("a b c d e f g h", 2, 6), pair("a b", 1, 0))
    expected = [[1, 2, 3, 4, 5, 5, 5, 5], [2, 3, 0, 0, 0, 0, 0, 0]]  # 3 is the start itself, padding 0
    assert encoder.distances(text.head_position, text.mask).tolist() == expected
    assert encoder.distances(text.tail_position, text.mask).tolist() == [
        [1, 1, 1, 1, 1, 2, 3, 4],
        [3, 4, 0, 0, 0, 0, 0, 0],
    ]


def test_the_states_are_the_written_out_convolution_s():
    encoder = encoder_of()
    states = encoder(batch_of(encoder, *EXAMPLES["mre"])).states
    for row, example in enumerate(EXAMPLES["mre"]):
        vectors = [
            torch.cat(
                [
                    encoder.words.weight[encoder.words.vocabulary.index(word)],
                    encoder.head_distances.weight[i - example.head.start + 128],
                    encoder.tail_distances.weight[i - example.tail.start + 128],
                ]
            )
            for i, word in enumerate(example.words)
        ]
        zero = torch.zeros(5 + 2 * 3)
        windows = zip([zero, *vectors[:-1]], vectors, [*vectors[1:], zero], strict=True)
        weight, bias = encoder.convolution.weight, encoder.convolution.bias
        values = [sum(weight[:, :, place] @ one for place, one in enumerate(window)) + bias for window in windows]
        torch.testing.assert_close(states[row, : len(values)], torch.stack(values))


def test_who_is_head_and_who_is_tail_makes_a_difference():
    encoder = encoder_of()
    one, other = (
        encoder(batch_of(encoder, example)).states
        for example in (pair("Ada loves Zoë", 0, 2), pair("Ada loves Zoë", 2, 0))
    )
    assert not torch.allclose(one, other)


# ------------------------------------------------------------------------------------------------------------------ the
# head
def pooled(states: Tensor, starts: tuple[int, int], length: int, activation: str) -> Tensor:
    """Pool one example's states [T, w] number by number, as OpenNRE does.

    100 is taken off outside of a segment, and padding is in none.
    """
    first, second = sorted(starts)
    found = []
    for number in (1, 2, 3):
        for column in range(states.shape[1]):
            within = [
                states[i, column] for i in range(length) if (1 if i <= first else 2 if i <= second else 3) == number
            ]
            if activation == "tanh":
                found.append(torch.stack(within).max().tanh() if within else torch.tensor(0.0))
                continue
            outside = [states[i, column] - 100 for i in range(len(states))]
            found.append(torch.stack([value.relu() for value in [*within, *outside]]).max())
    return torch.stack(found)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_maxima_are_those_of_each_segment(activation):
    head, encoder = head_of(activation=activation), encoder_of()
    examples = [pair("a b c d e f", 1, 4), pair("a b c", 2, 0), pair("a b c d", 3, 3), pair("a", 0, 0)]
    text = batch_of(encoder, *examples)
    states = torch.randn(*text.mask.shape, WIDTH)
    summary = head.relation_features(Fused(states), text)
    for row, example in enumerate(examples):
        expected = pooled(states[row], (example.head.start, example.tail.start), len(example.words), activation)
        torch.testing.assert_close(summary[row], expected)


def test_swapping_words_across_segments_changes_the_output_and_within_one_does_not():
    head, encoder = head_of(), encoder_of()
    text = batch_of(encoder, pair("a b c d e f g", 2, 4))
    states = torch.randn(1, 7, WIDTH)

    def logits(*order: int) -> Tensor:
        return head(Fused(states[:, list(order)]), text)

    assert not torch.allclose(logits(3, 1, 2, 0, 4, 5, 6), logits(0, 1, 2, 3, 4, 5, 6))
    assert torch.equal(logits(1, 0, 2, 3, 4, 6, 5), logits(0, 1, 2, 3, 4, 5, 6))


def test_swapping_words_across_segments_changes_the_prediction():
    encoder, head = encoder_of(), head_of()
    one, other = (batch_of(encoder, pair(words, 0, 2)) for words in ("Ada loves New York !", "Ada York New loves !"))
    assert not torch.allclose(head(Fused(encoder(one).states), one), head(Fused(encoder(other).states), other))


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_padding_never_wins_even_when_its_states_are_the_largest(activation):
    head, encoder = head_of(activation=activation), encoder_of()
    text = batch_of(encoder, pair("a b c", 0, 1), pair("a b c d e f", 0, 1))
    states = torch.randn(2, 6, WIDTH)
    loud = torch.where(text.mask[..., None], states, 1e6)
    assert torch.equal(head(Fused(loud), text), head(Fused(states), text))


def test_where_all_values_of_a_segment_are_below_zero_its_maximum_is_zero():
    head, encoder = head_of(), encoder_of()
    text = batch_of(encoder, pair("a b c", 0, 1))
    assert not head.relation_features(Fused(-torch.rand(1, 3, WIDTH)), text).any()


def test_states_and_a_pair_are_needed():
    head, encoder = head_of(), encoder_of()
    text = batch_of(encoder, pair("a b", 0, 1))
    with pytest.raises(ValueError, match="states"):
        head(Fused(pooled=torch.zeros(1, WIDTH)), text)
    with pytest.raises(ValueError, match="positions"):
        head(Fused(torch.zeros(1, 2, WIDTH)), replace(text, head_position=None))
    with pytest.raises(ValueError, match="positions"):
        encoder(replace(text, tail_position=None))


# -----------------------------------------------------------------------------------------------------------------
# recipes
def test_the_recipe_holds_opennre_s_settings_and_the_common_one_learns_its_vectors_with_adam():
    paper, common = (load_recipe(name, registry=load_registry()) for name in ("pcnn_mre", "pcnn_common_mre"))
    settings = paper.train
    assert (settings.optimizer, settings.lr, settings.weight_decay, settings.decay_all) == ("sgd", 0.1, 1e-5, True)
    assert (settings.epochs, settings.batch_size, settings.schedule, paper.data.max_length) == (100, 160, "linear", 128)
    assert (settings.warmup_steps, settings.max_grad_norm, settings.seed) == (300, 0, 42)
    assert paper.head.options["dropout"] == 1 - 0.5 * 0.5
    assert (common.train.optimizer, common.train.patience) == ("adamw", 10)
    assert {"text": common.text.encoder, "head": common.head.name} == {
        "text": paper.text.encoder,
        "head": paper.head.name,
    }


@pytest.mark.parametrize(
    "text",
    [
        "text={encoder: pcnn, filters: 24, word_width: 16}",
        "text={encoder: bert-from-scratch, width: 16, num_layers: 1, num_attention_heads: 2}",
    ],
)
def test_the_head_is_trained_over_its_own_encoder_and_over_a_bert(mre_data, tmp_path, text):
    overrides = (text, "head=piecewise-max", "train.epochs=3", "train.lr=1e-2")
    recipe = tiny.recipe(tmp_path, mre_data.folder, "mre", images=False, overrides=overrides)
    finished = train(recipe, load_registry(), tmp_path / "model")
    assert evaluate(open_model_folder(finished.folder), "test").scores == finished.test
