from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from hvpkit.interfaces import EncodedText, Fused, HeadContext, TextBatch
from hvpkit.registry import load_registry
from hvpkit.types import Example, Labels

LABELS = Labels("mre", ("None", "/per/per/peer", "/per/loc/place_of_birth"))
WIDTH = 4
MASK = torch.ones(3, 6, dtype=torch.bool)
TEXT = TextBatch({}, MASK, MASK.long(), MASK, MASK.long(), torch.tensor([1, 4, 0]), torch.tensor([3, 2, 5]))
FUSED = Fused(torch.randn(3, 6, WIDTH, generator=torch.Generator().manual_seed(0)), torch.randn(3, WIDTH))
GOLD = {"relation": torch.tensor([2, 0, 1])}


def head_of(name):
    return load_registry().build("head", name, HeadContext(LABELS, WIDTH), {}).eval()


def test_entity_start_reads_both_start_states_side_by_side():
    head = head_of("entity-start")
    logits = head(FUSED, TEXT)
    for row, (first, second) in enumerate([(1, 3), (4, 2), (0, 5)]):
        pair = torch.cat([FUSED.states[row, first], FUSED.states[row, second]])
        torch.testing.assert_close(logits[row], head.linear.weight @ pair + head.linear.bias)


def test_head_and_tail_are_not_the_same():
    head = head_of("entity-start")
    turned = replace(TEXT, head_position=TEXT.tail_position, tail_position=TEXT.head_position)
    assert not torch.allclose(head(FUSED, TEXT), head(FUSED, turned))


def test_cls_reads_the_pooled_state():
    head = head_of("cls")
    torch.testing.assert_close(head(FUSED, TEXT), FUSED.pooled @ head.linear.weight.T + head.linear.bias)


@pytest.mark.parametrize("name", ["entity-start", "cls"])
def test_the_loss_is_the_mean_surprise_at_the_gold_class(name):
    head = head_of(name)
    logits = head(FUSED, TEXT)
    expected = 0.0
    for row, gold in zip(logits.tolist(), GOLD["relation"].tolist(), strict=True):
        expected += (math.log(sum(math.exp(value) for value in row)) - row[gold]) / 3
    assert float(head.loss(logits, TEXT, GOLD).detach()) == pytest.approx(expected, rel=1e-5)


def test_decoding_ranks_every_class_by_its_softmax():
    head = head_of("cls")
    logits = torch.tensor([[0.0, 2.0, 1.0], [5.0, -5.0, 0.0], [1.0, 1.0, 1.0]])
    first, second, third = head.decode(logits, TEXT)
    whole = sum(math.exp(value) for value in (0, 2, 1))
    assert [name for name, _ in first.probabilities] == ["/per/per/peer", "/per/loc/place_of_birth", "None"]
    assert [value for _, value in first.probabilities] == pytest.approx(
        [math.exp(2) / whole, math.exp(1) / whole, 1 / whole]
    )
    assert (first.label, first.confidence) == first.probabilities[0]
    assert second.label == "None"
    assert [name for name, _ in third.probabilities] == list(LABELS.names)  # ties keep the labels' order


def test_targets_are_the_class_s_number():
    example = Example("1", ("a",), relation="/per/loc/place_of_birth")
    assert (
        head_of("cls").build_targets(example, EncodedText({}, torch.zeros(1), torch.zeros(1)))["relation"].item() == 2
    )  # noqa: E501


def test_logits_are_fp32_whatever_the_states_are():
    head = head_of("cls").bfloat16()
    assert head(Fused(pooled=FUSED.pooled.bfloat16()), TEXT).dtype == torch.float32


def test_what_a_head_reads_must_be_there():
    with pytest.raises(ValueError, match="pooled"):
        head_of("cls")(Fused(FUSED.states), TEXT)
    with pytest.raises(ValueError, match="states"):
        head_of("entity-start")(Fused(pooled=FUSED.pooled), TEXT)
    with pytest.raises(ValueError, match="entities"):
        head_of("entity-start")(FUSED, replace(TEXT, head_position=None))


def test_dropout_is_at_work_in_training_alone():
    head = head_of("cls")
    assert torch.equal(head(FUSED, TEXT), head(FUSED, TEXT))
    head.train()
    assert not torch.equal(head(FUSED, TEXT), head(FUSED, TEXT))
