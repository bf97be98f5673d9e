"""PCNN gives the numbers of OpenNRE's `PCNNEncoder` and `SoftmaxNN` (thunlp/OpenNRE, commit 8e42fd7)."""

from __future__ import annotations

import pytest
import torch
from golden import LOSSES, Golden, assert_near, assign, golden_cases, pairs_of_entities

from hvpkit.batching import pad_texts
from hvpkit.interfaces import Fused, HeadContext, TextBatch
from hvpkit.model.text.vocabulary import Vocabulary
from hvpkit.model.text.word_embedding import WordEmbedding, WordEmbeddingConfig
from hvpkit.types import Example, Labels, Span
from hvpkit_plugins.pcnn.encoder import Pcnn, PcnnConfig
from hvpkit_plugins.pcnn.segments import PiecewiseMaxHead, piecewise_segments

WORDS = "sentence_encoder.word_embedding.weight"


def rows_of(golden: Golden) -> list[int]:
    """The items that fit: of longer ones OpenNRE reads the beginning, hvpkit a window around the pair."""
    return [i for i, item in enumerate(golden["items"]) if len(item["token"]) <= golden["config"]["max_length"]]


def encoder_of(golden: Golden, pad_row: str) -> Pcnn:
    """The encoder with golden weights; the vector of padding, OpenNRE's last, is loaded or zero."""
    config, weights = golden["config"], golden.parameters("B")
    words = sorted(golden["token2id"], key=golden["token2id"].get)[:-2]  # without [UNK] and [PAD]
    embedding = WordEmbedding(Vocabulary(tuple(words), len(words)), WordEmbeddingConfig(config["word_size"]))
    encoder = Pcnn(
        embedding, PcnnConfig(config["position_size"], config["max_length"], config["hidden_size"], dropout=0.0)
    )
    table = weights[WORDS]
    padding = table[-1:] if pad_row == "loaded" else torch.zeros_like(table[-1:])
    assign(embedding.weight, torch.cat([padding, table[-2:-1], table[:-2]]))
    for vectors, name in ((encoder.head_distances, "pos1"), (encoder.tail_distances, "pos2")):
        rows = weights[f"sentence_encoder.{name}_embedding.weight"]
        assign(vectors.weight, torch.cat([torch.zeros_like(rows[:1]), rows[1:]]))
    assign(encoder.convolution.weight, weights["sentence_encoder.conv.weight"])
    assign(encoder.convolution.bias, weights["sentence_encoder.conv.bias"])
    return encoder.eval()


def head_of(golden: Golden) -> PiecewiseMaxHead:
    labels = Labels("mre", tuple(f"r{i}" for i in range(golden["config"]["classes"])))
    head = PiecewiseMaxHead(HeadContext(labels, golden["config"]["hidden_size"]), dropout=0.5, activation="relu")
    assign(head.linear.weight, golden.parameters("B")["fc.weight"])
    assign(head.linear.bias, golden.parameters("B")["fc.bias"])
    return head.eval()


def batch_of(golden: Golden, encoder: Pcnn) -> TextBatch:
    """The items that fit, and a longer text, so that padding follows each of them as it does in OpenNRE."""
    examples = pairs_of_entities(golden["items"])
    longest = Example("x", ("the",) * golden["config"]["max_length"], head=Span(0, 1), tail=Span(1, 2))
    return pad_texts(
        [encoder.encode(example, 64) for example in [*(examples[i] for i in rows_of(golden)), longest]], {}
    )


@golden_cases("pcnn")
def test_words_and_segments_are_the_same(golden):
    encoder = encoder_of(golden, "loaded")
    text = batch_of(golden, encoder)
    rows, words = rows_of(golden), len(golden["token2id"])
    to_golden = torch.tensor([words - 1, words - 2, *range(words - 2)])  # our id to theirs
    assert torch.equal(to_golden[text.features["words"]][:-1], golden.tensor("token")[rows])
    assert torch.equal(piecewise_segments(text)[:-1], golden.tensor("segment")[rows])
    assert torch.equal(encoder.distances(text.head_position, text.mask)[:-1], golden.tensor("pos_head")[rows])
    assert torch.equal(encoder.distances(text.tail_position, text.mask)[:-1], golden.tensor("pos_tail")[rows])


@pytest.mark.parametrize("pad_row", ["loaded", "pad_row_zero"])
@golden_cases("pcnn")
def test_maxima_logits_and_loss_are_the_same(golden, pad_row):
    encoder, head = encoder_of(golden, pad_row), head_of(golden)
    rows = rows_of(golden)
    expected = golden.values if pad_row == "loaded" else golden["pad_row_zero"]
    text = batch_of(golden, encoder)
    fused = Fused(encoder(text).states)
    if pad_row == "loaded":
        for row, i in enumerate(rows):
            words = len(golden["items"][i]["token"])
            assert_near(fused.states[row, :words, :6].T, golden.tensor("conv", i)[:, :words])
    assert_near(head.relation_features(fused, text)[:-1], torch.tensor(expected["z"])[rows])
    logits = head(fused, text)[:-1]
    assert_near(logits, torch.tensor(expected["logits"])[rows])
    completed = torch.tensor(expected["logits"]).index_copy(0, torch.tensor(rows), logits.detach())
    assert_near(head.loss(completed, text, {"relation": golden.tensor("labels")}), expected["loss"], LOSSES)
    if pad_row == "loaded":
        predicted = [relation.label for relation in head.decode(logits, text)]
        assert predicted == [f"r{golden['predicted'][i]}" for i in rows]
