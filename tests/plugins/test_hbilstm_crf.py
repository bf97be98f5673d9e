from __future__ import annotations

import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
import torch
from raising import raises

import hvpkit_plugins
from hvpkit.batching import pad_texts
from hvpkit.config.compatibility import check_compatibility
from hvpkit.config.loading import load_recipe
from hvpkit.errors import ComponentError
from hvpkit.interfaces import EmissionMix, EncodedText, Fused, HeadContext, TextBatch, TextContext
from hvpkit.labels.bio import decode_bio
from hvpkit.registry import load_registry
from hvpkit.testing import check_head, check_text_encoder
from hvpkit.testing.inputs import EXAMPLES, LABELS
from hvpkit.types import Entity, Example, Labels
from hvpkit_plugins.hbilstm_crf.encoder import capitalization
from hvpkit_plugins.hbilstm_crf.head import bio_to_iobes, iobes_to_bio
from hvpkit_plugins.hbilstm_crf.layers import CoupledLstm, PackedLstm

FACTORY = load_registry().get("text encoder", "hbilstm").factory
HEAD = load_registry().get("head", "crf-iobes").factory
SMALL = {"hidden": 6, "word_width": 5, "character_width": 4, "character_hidden": 3}


def encoder_of(**options):
    torch.manual_seed(0)
    return FACTORY(TextContext("mner", EXAMPLES["mner"]), **SMALL, **options).eval()


def batch_of(encoder, *examples: Example) -> TextBatch:
    return pad_texts([encoder.encode(example, 64) for example in examples], encoder.pad_values())


# ---------------------------------------------------------------------------------------------------------- contract
@pytest.mark.parametrize("task", ["mner", "mre"])
@pytest.mark.parametrize("options", [{}, {"cell": "lstm", "capitalization_width": 2, "dropout_scale": "training"}])
def test_the_encoder_keeps_the_contract(task, options):
    check_text_encoder(FACTORY, task=task, **SMALL, **options)


def test_the_head_keeps_the_contract():
    check_head(HEAD, task="mner", dropout=0.5)


def test_its_module_comes_without_torch():
    file = Path(hvpkit_plugins.__path__[0]) / "hbilstm_crf" / "__init__.py"
    program = f"import runpy, sys; runpy.run_path({str(file)!r}); print('torch' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "False\n"
    )


# ----------------------------------------------------------------------------------------------------------- encoder
def test_the_widths_are_the_authors_unless_others_are_asked_for():
    encoder = FACTORY(TextContext("mner", EXAMPLES["mner"]))
    assert isinstance(encoder.lstm, CoupledLstm)
    assert (encoder.width, tuple(encoder.lstm.input.shape)) == (100, (2, 100 + 2 * 25, 3 * 100))
    assert tuple(encoder.character_lstm.input.shape) == (2, 25, 3 * 25)
    with_case = FACTORY(TextContext("mner", EXAMPLES["mner"]), capitalization_width=5)
    assert tuple(with_case.lstm.input.shape) == (2, 155, 300)


@pytest.mark.parametrize("lstm", [CoupledLstm(3, 4), PackedLstm(3, 4)])
def test_last_states_are_those_at_both_ends_and_do_not_depend_on_padding(lstm):
    torch.manual_seed(1)
    inputs, mask = torch.randn(3, 5, 3), torch.arange(5) < torch.tensor([5, 2, 0])[:, None]
    states, last = lstm(inputs, mask)
    torch.testing.assert_close(last[0], torch.cat([states[0, 4, :4], states[0, 0, 4:]]))
    torch.testing.assert_close(last[1], torch.cat([states[1, 1, :4], states[1, 0, 4:]]))
    torch.testing.assert_close(lstm(inputs[1:2, :2], mask[1:2, :2]).last[0], last[1])


def test_a_word_without_known_characters_has_the_start_state_for_its_spelling():
    encoder = encoder_of()
    encoder.character_lstm.start_hidden.data.normal_()
    unknown = encoder.encode(Example("1", ("漢字", "Ada")), 64)
    assert unknown.features["characters"][0].tolist() == [0, 0, 0]
    spelling = encoder.spelling(unknown.features["characters"])
    torch.testing.assert_close(spelling[0], encoder.character_lstm.start_hidden.flatten())


def test_an_unknown_character_is_skipped():
    encoder = encoder_of()
    with_unknown, without = (encoder.encode(Example("1", (word,)), 64).features for word in ("A漢da", "Ada"))
    assert torch.equal(with_unknown["characters"], without["characters"])


@pytest.mark.parametrize(
    ("word", "expected"), [("ada", 0), ("42", 0), ("NATO", 1), ("A", 1), ("Ada", 2), ("iPhone", 3), ("#MeToo", 2)]
)
def test_capitalization_has_four_values(word, expected):
    assert capitalization(word) == expected


def test_capitalization_changes_the_states_only_where_it_has_vectors():
    encoder = encoder_of(capitalization_width=3)
    text = batch_of(encoder, Example("1", ("Ada", "visits")))
    before = encoder(text).states
    encoder.capitalizations.weight.data[2] += 1
    assert not torch.allclose(encoder(text).states, before)
    assert "capitalization" not in encoder_of().encode(EXAMPLES["mner"][0], 64).features


def test_dropout_is_compensated_in_evaluation_or_in_training():
    text = batch_of(encoder_of(), *EXAMPLES["mner"])
    kept, halved = (encoder_of(dropout=0.5, dropout_scale=where) for where in ("training", "evaluation"))
    without = encoder_of(dropout=0.0)
    torch.testing.assert_close(kept(text).states, without(text).states)
    halved.lstm.input.data *= 2
    torch.testing.assert_close(halved(text).states, without(text).states)
    states = []
    for encoder in (kept.train(), halved.train()):
        encoder.words.singleton_unk = 0.0
        torch.manual_seed(3)
        states.append(encoder(text).states)
    torch.testing.assert_close(*states)  # the same masks, the same compensation


def test_vectors_of_a_file_are_read_and_their_coverage_is_reported(tmp_path, logged):
    file = tmp_path / "vectors.txt"
    file.write_text("visits 1 2 3 4 5\nParis 5 4 3 2 1\nada 0 0 0 0 1\n", encoding="utf-8")
    encoder = encoder_of(glove=str(file))
    index = encoder.words.vocabulary.index
    assert encoder.words.weight[index("visits")].tolist() == [1, 2, 3, 4, 5]
    assert encoder.words.weight[index("Ada")].tolist() == [0, 0, 0, 0, 1]  # in lower case
    [coverage] = [message for message in logged() if message.code == "word-vectors-coverage"]
    assert (coverage.fields["found"], coverage.fields["exact"], coverage.fields["lower_case"]) == (2, 1, 1)
    assert encoder.provenance_notes()[0].fields["coverage"] == coverage


def test_first_weights_lie_in_glorot_s_bounds():
    encoder = encoder_of()
    for parameter in (encoder.words.weight, encoder.characters.weight, encoder.project.weight):
        weight = parameter.detach()
        bound = (6 / sum(weight.shape)) ** 0.5
        assert 0.7 * bound < float(weight.abs().max()) <= bound
    assert not encoder.words.weight[0].any()
    gate = encoder.lstm.input.detach()[1].chunk(3, dim=-1)[2]
    assert 0.7 < float(gate.abs().max()) / (6 / sum(gate.shape)) ** 0.5 <= 1


# -------------------------------------------------------------------------------------------------------------- head
@pytest.mark.parametrize(
    ("bio", "iobes"),
    [
        ("O B-X O", "O S-X O"),
        ("B-X I-X I-X", "B-X I-X E-X"),
        ("B-X I-X B-X B-Y", "B-X E-X S-X S-Y"),
        ("B-X I-Y", "S-X E-Y"),
        ("", ""),
    ],
)
def test_tags_are_converted_to_iobes_and_back(bio, iobes):
    assert bio_to_iobes(bio.split()) == iobes.split()
    assert iobes_to_bio(iobes.split()) == bio.split()


@pytest.mark.parametrize("length", [1, 2, 3])
@torch.no_grad()
def test_a_confidence_is_the_sum_of_all_paths_that_are_decoded_to_the_entity(length):
    torch.manual_seed(length)
    head = HEAD(HeadContext(Labels("mner", ("O", "B-X", "I-X", "B-Y", "I-Y")), 2)).eval()
    positions = torch.arange(length)
    text = pad_texts([EncodedText({"ids": positions}, positions, positions)], {})
    scores = 2 * torch.randn(1, length, len(head.tags))
    sums: dict[tuple, float] = {}
    for path in product(range(len(head.tags)), repeat=length):
        probability = float((-head.loss(scores, text, {"tags": torch.tensor([path])})).exp())
        for span in decode_bio(iobes_to_bio([head.tags[tag] for tag in path])):
            sums[span.start, span.end, span.type] = sums.get((span.start, span.end, span.type), 0.0) + probability
    entities = [Entity(start, end, type, None) for start, end, type in sums]
    (confidences,) = head.confidences(scores, text, [entities])
    assert dict(zip(sums, confidences, strict=True)) == pytest.approx(sums, abs=1e-4)
    for entity in head.decode(scores, text)[0]:
        assert entity.confidence == pytest.approx(sums[entity.start, entity.end, entity.type], abs=1e-4)


def test_the_head_takes_no_emissions_of_a_fusion_and_no_recipe_may_combine_them():
    head = HEAD(HeadContext(LABELS["mner"], 6))
    text = batch_of(encoder_of(), *EXAMPLES["mner"])
    mixed = Fused(torch.zeros(*text.mask.shape, 6), emissions=EmissionMix(0.5, torch.zeros(3, 6, 5)))
    with pytest.raises(ValueError, match="emissions"):
        head(mixed, text)
    recipe = load_recipe("umt_mner", ["head=crf-iobes"])
    with raises(ComponentError, "components-do-not-fit") as refused:
        check_compatibility(recipe, load_registry())
    (problem,) = refused.value.problems
    assert (problem.message.code, problem.message.fields) == (
        "emissions-of-labels",
        {"fusion": "umt", "head": "crf-iobes"},
    )


# ----------------------------------------------------------------------------------------------------------- recipes
def test_the_recipe_has_the_authors_settings():
    recipe = load_recipe("hbilstm_crf_mner", registry=load_registry())
    train = recipe.train
    assert (train.optimizer, train.lr, train.lr_decay, train.batch_size, train.epochs) == ("sgd", 0.005, 0, 1, 100)
    assert (train.max_grad_norm, train.weight_decay, train.momentum) == (0, 0, 0)
    assert (recipe.text.options["singleton_unk"], recipe.head.name) == (0.5, "crf-iobes")
    common = load_recipe("hbilstm_crf_common_mner", registry=load_registry()).train
    assert (common.lr / common.batch_size, common.patience) == (train.lr, 10)
