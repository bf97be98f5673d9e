"""HBiLSTM-CRF gives the numbers of its authors' graph (glample/tagger, commit 1c96188)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch
from golden import LOSSES, Golden, assert_near, assign, golden_cases
from torch import Tensor, nn

from hvpkit.batching import pad, pad_texts
from hvpkit.interfaces import EncodedText, Fused, HeadContext, TextBatch
from hvpkit.model.text.vocabulary import Vocabulary
from hvpkit.model.text.word_embedding import WordEmbedding, WordEmbeddingConfig
from hvpkit.types import Labels
from hvpkit_plugins.hbilstm_crf.encoder import HBilstm, HBilstmConfig
from hvpkit_plugins.hbilstm_crf.head import IobesCrfHead
from hvpkit_plugins.hbilstm_crf.layers import CoupledLstm

BIO = ("O", *(f"{position}-{type}" for type in ("LOC", "MISC", "ORG", "PER") for position in "BI"))
View = Callable[[Tensor], Tensor]
GATES = ("i", "c", "o")


def system_of(golden: Golden, variant: str) -> tuple[HBilstm, IobesCrfHead]:
    """The network with golden weights, in evaluation mode."""
    config, caps = golden["config"], variant == "caps"
    known = [Vocabulary(tuple(f"x{i}" for i in range(size)), size) for size in (config["words"] - 1, config["chars"])]
    sizes = HBilstmConfig(
        config["char_width"],
        config["char_hidden"],
        config["cap_width"] if caps else 0,
        config["word_hidden"],
        "coupled",
        0.0 if variant == "plain" else config["dropout"],
        scales_in_evaluation=True,
    )
    encoder = HBilstm(WordEmbedding(known[0], WordEmbeddingConfig(config["word_width"])), known[1], sizes)
    head = IobesCrfHead(HeadContext(Labels("mner", BIO), encoder.width), dropout=0.0)
    weights = golden.parameters("A", "caps") if caps else golden.parameters("A")
    pairs = [*roles(encoder, head)]
    assert {name for name, *_ in pairs} == set(weights)
    for name, parameter, ours, theirs in pairs:
        assign(ours(parameter.data), theirs(weights[name]))
    return encoder.eval(), head.eval()


def roles(encoder: HBilstm, head: IobesCrfHead) -> Iterator[tuple[str, nn.Parameter, View, View]]:
    """The authors' names, our parameters, and which parts of both are the same."""

    def whole(tensor: Tensor) -> Tensor:
        return tensor

    yield "word_layer__embeddings", encoder.words.weight, lambda rows: rows[1:], whole
    yield "char_layer__embeddings", encoder.characters.weight, lambda rows: rows[2:], whole
    if encoder.capitalizations is not None:
        yield "cap_layer__embeddings", encoder.capitalizations.weight, whole, whole
    for name, lstm in (("char", encoder.character_lstm), ("word", encoder.lstm)):
        assert isinstance(lstm, CoupledLstm)
        for direction, suffix in enumerate(("for", "rev")):
            yield from (
                (f"{name}_lstm_{suffix}__{role}", parameter, view, whole)
                for role, parameter, view in lstm_roles(lstm, direction)
            )
    for name, linear in (("tanh_layer", encoder.project), ("final_layer", head.linear)):
        yield f"{name}__weights", linear.weight, torch.t, whole
        yield f"{name}__bias", linear.bias, whole, whole
    tags = len(head.tags)
    yield "transitions", head.crf.transitions, whole, lambda scores: scores[:tags, :tags]
    yield "transitions", head.crf.start_transitions, whole, lambda scores: scores[tags, :tags]
    yield "transitions", head.crf.end_transitions, whole, lambda scores: scores[:tags, tags + 1]


def lstm_roles(lstm: CoupledLstm, direction: int) -> Iterator[tuple[str, nn.Parameter, View]]:
    def of_gate(number: int) -> View:
        return lambda tensor: tensor[direction].chunk(3, dim=-1)[number]

    for number, gate in enumerate(GATES):
        yield f"w_x{gate}", lstm.input, of_gate(number)
        yield f"w_h{gate}", lstm.recurrent, of_gate(number)
        yield f"b_{gate}", lstm.bias, of_gate(number)
    for role, parameter in (
        ("w_ci", lstm.input_peephole),
        ("w_co", lstm.output_peephole),
        ("h_0", lstm.start_hidden),
        ("c_0", lstm.start_cell),
    ):
        yield role, parameter, lambda tensor: tensor[direction]


def batch_of(golden: Golden, variant: str) -> tuple[TextBatch, dict[str, Tensor]]:
    """All sentences in one batch, which the original reads one by one, and their tags."""
    texts = []
    for sentence in golden["sentences"]:
        length = len(sentence["words"])
        features = {
            "words": torch.tensor(sentence["words"]) + 1,
            "characters": pad([torch.tensor(ids) + 2 for ids in sentence["chars"]]),
        }
        features |= {"capitalization": torch.tensor(sentence["caps"])} if variant == "caps" else {}
        texts.append(EncodedText(features, torch.arange(length), torch.arange(length)))
    tags = pad([torch.tensor(sentence["tags"]) for sentence in golden["sentences"]])
    return pad_texts(texts, {}), {"tags": tags}


@pytest.mark.parametrize("variant", ["plain", "dropout", "caps"])
@golden_cases("hbilstm_crf")
def test_states_emissions_loss_and_paths_are_the_same(golden, variant):
    encoder, head = system_of(golden, variant)
    text, targets = batch_of(golden, variant)
    states = encoder(text).states
    emissions = head(Fused(states), text)
    paths = head.viterbi_paths(emissions, text)
    for row, expected in enumerate(golden[variant]["sentences"]):
        length = len(expected["path"])
        assert_near(states[row, :length], expected["hidden"])
        assert_near(emissions[row, :length], expected["emissions"])
        assert paths[row] == expected["path"]
        alone = replace(text, word_mask=text.word_mask[row : row + 1])
        loss = head.loss(emissions[row : row + 1], alone, {"tags": targets["tags"][row : row + 1]})
        assert_near(loss, expected["loss"], LOSSES)


@golden_cases("hbilstm_crf")
def test_the_states_of_both_directions_of_both_lstms_are_the_same(golden):
    encoder, _ = system_of(golden, "plain")
    text, _ = batch_of(golden, "plain")
    spelling = encoder.spelling(text.features["characters"][text.mask])
    spellings = spelling.new_zeros(*text.mask.shape, spelling.shape[-1])
    spellings[text.mask] = spelling
    words = encoder.lstm(torch.cat([encoder.words(text.features["words"]), spellings], dim=-1), text.mask).states
    for row, expected in enumerate(golden["plain"]["sentences"]):
        length = len(expected["path"])
        assert_near(spellings[row, :length], [a + b for a, b in zip(*directions(expected, "char"), strict=True)])
        assert_near(words[row, :length], [a + b for a, b in zip(*directions(expected, "word"), strict=True)])


def directions(expected: dict, lstm: str) -> tuple[list, list]:
    return expected[f"{lstm}_for"], expected[f"{lstm}_rev"]


@golden_cases("hbilstm_crf")
def test_gradients_reach_the_same_parameters(golden):
    encoder, head = system_of(golden, "plain")
    text, targets = batch_of(golden, "plain")
    for row, sentence in enumerate(golden["plain"]["sentences"]):
        encoder.zero_grad()
        head.zero_grad()
        emissions = head(Fused(encoder(text).states), text)[row : row + 1]
        alone = replace(text, word_mask=text.word_mask[row : row + 1])
        head.loss(emissions, alone, {"tags": targets["tags"][row : row + 1]}).backward()
        squares: dict[str, float] = {}
        for name, parameter, ours, _ in roles(encoder, head):
            assert parameter.grad is not None
            squares[name] = squares.get(name, 0.0) + float(ours(parameter.grad).square().sum())
        norms = {name: square**0.5 for name, square in squares.items() if square}
        assert norms == pytest.approx(sentence["gradient_norms"], rel=1e-3, abs=1e-4)


@golden_cases("hbilstm_crf")
def test_dropout_of_torch_is_the_same_with_smaller_input_weights(golden):
    """Inverted dropout needs the input weights of the word LSTMs times 1 - p."""
    encoder, _ = system_of(golden, "dropout")
    text, _ = batch_of(golden, "dropout")
    before = encoder(text).states
    keep, encoder.input_scale = encoder.input_scale, 1.0
    assert isinstance(encoder.lstm, CoupledLstm)
    encoder.lstm.input.data *= keep
    assert keep == 1 - golden["config"]["dropout"]
    assert_near(encoder(text).states[text.mask], before[text.mask])
