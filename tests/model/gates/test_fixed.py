from __future__ import annotations

import pytest
import torch

from hvpkit.interfaces import PrefixConfig
from hvpkit.registry import load_registry

flat, one_to_three = (load_registry().get("gate", name).factory for name in ("flat", "1t3"))
SHAPES = [(12, 4), (6, 4), (4, 5), (4, 4), (3, 2), (5, 1), (24, 4), (1, 3)]


def weights_of(factory, layers: int, count: int) -> torch.Tensor:
    return factory(PrefixConfig((8,) * count, 4, 16, layers))(torch.randn(2, 3, count, 4, 16))


def one_hot(level: int, count: int) -> list[float]:
    return [1.0 if i == level else 0.0 for i in range(count)]


@pytest.mark.parametrize(("layers", "count"), SHAPES)
def test_flat_takes_the_last_level_everywhere(layers, count):
    weights = weights_of(flat, layers, count)
    assert weights.shape == (2, 3, layers, count)
    for image in weights.flatten(0, 1).tolist():
        assert image == [one_hot(count - 1, count)] * layers


@pytest.mark.parametrize(("layers", "count"), SHAPES)
def test_1t3_takes_levels_in_turn(layers, count):
    weights = weights_of(one_to_three, layers, count)
    assert weights.shape == (2, 3, layers, count)
    for image in weights.flatten(0, 1).tolist():
        assert image == [one_hot(int(layer * count / layers), count) for layer in range(layers)]


def test_1t3_gives_each_of_four_levels_three_of_twelve_layers():
    assert weights_of(one_to_three, 12, 4)[0, 0].argmax(-1).tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]


@pytest.mark.parametrize("factory", [flat, one_to_three])
def test_fixed_gates_hold_nothing_to_train_or_save_and_follow_the_precision(factory):
    gate = factory(PrefixConfig((8, 8), 4, 16, 6))
    assert not list(gate.parameters())
    assert not gate.state_dict()
    assert gate(torch.randn(1, 1, 2, 4, 16, dtype=torch.bfloat16)).dtype == torch.bfloat16
