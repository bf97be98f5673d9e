from __future__ import annotations

import math

import pytest
import torch

from hvpkit.interfaces import PrefixConfig
from hvpkit.model.gates.dynamic import DynamicGate
from hvpkit.registry import load_registry

B, V, P, D = 2, 3, 4, 5
dynamic = load_registry().get("gate", "dynamic").factory


def levels_of(count: int) -> torch.Tensor:
    return torch.randn(B, V, count, P, D, generator=torch.Generator().manual_seed(count))


def written_out(gate: DynamicGate, levels: torch.Tensor, layers: int, slope: float) -> list:
    """Eq. 3-4 in plain loops: the weights of each example, image and layer."""
    matrix, bias, count = gate.linear.weight.tolist(), gate.linear.bias.tolist(), levels.shape[2]
    found = []
    for example in levels.tolist():
        for image in example:
            pooled = [[sum(cell[d] for cell in level) / P for d in range(D)] for level in image]  # GAP of each level
            mean = [sum(level[d] for level in pooled) / count for d in range(D)]
            for layer in range(layers):
                rows = range(layer * count, (layer + 1) * count)
                alphas = [sum(w * x for w, x in zip(matrix[row], mean, strict=True)) + bias[row] for row in rows]
                leaky = [alpha if alpha > 0 else slope * alpha for alpha in alphas]
                whole = sum(math.exp(alpha) for alpha in leaky)
                found.append([math.exp(alpha) / whole for alpha in leaky])
    return found


@pytest.mark.parametrize(("layers", "count", "slope"), [(6, 4, 0.01), (12, 4, 0.3), (2, 1, 0.01), (3, 5, 0.0)])
def test_weights_are_those_of_equations_3_and_4(layers, count, slope):
    gate = dynamic(PrefixConfig((7,) * count, P, D, layers), slope=slope)
    levels = 3 * levels_of(count)
    weights = gate(levels)
    assert weights.shape == (B, V, layers, count)
    torch.testing.assert_close(weights.flatten(0, 2), torch.tensor(written_out(gate, levels, layers, slope)))


def test_the_leak_matters():
    sharp, leaky = (dynamic(PrefixConfig((7,) * 4, P, D, 3), slope=slope) for slope in (0.0, 0.9))
    leaky.load_state_dict(sharp.state_dict())
    assert not torch.allclose(sharp(levels_of(4)), leaky(levels_of(4)), atol=1e-3)


def test_each_image_has_its_own_weights_from_the_same_map():
    gate = dynamic(PrefixConfig((7,) * 4, P, D, 6))
    levels = levels_of(4)
    weights = gate(levels)
    assert not torch.allclose(weights[:, 0], weights[:, 1])
    torch.testing.assert_close(gate(levels.flip(1)), weights.flip(1))


def test_it_asks_for_nothing_to_be_added_to_the_loss():
    gate = dynamic(PrefixConfig((7,) * 4, P, D, 6))
    assert gate.penalty(gate(levels_of(4)), torch.ones(B, V, dtype=torch.bool)) is None
