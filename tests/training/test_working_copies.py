from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import linear

from hvpkit.training.working_copies import WorkingCopies, maps_in_bfloat16


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.again, self.wide, self.bare = (
            nn.Linear(8, 8),
            nn.LayerNorm(8),
            nn.Linear(8, 8),
            nn.Linear(8, 8),
            nn.Linear(8, 4, bias=False),
        )
        self.tied, self.unused = nn.Linear(8, 8), nn.Linear(8, 8)
        self.table = nn.Embedding(8, 8)
        self.table.weight = self.tied.weight

    def forward(self, x):
        x = self.again(self.again(self.norm(self.first(x)).relu()))
        with torch.autocast("cpu", enabled=False):
            x = self.wide(x.float())
        return self.bare(linear(self.tied(x), self.table.weight)).float().square().mean()


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Network()


@pytest.fixture
def numbers():
    return torch.randn(6, 8, generator=torch.Generator().manual_seed(1))


def loss_of(network, numbers):
    with torch.autocast("cpu", torch.bfloat16):
        return network(numbers)


def narrow(network, numbers):
    with maps_in_bfloat16(network) as found:
        loss_of(network, numbers)
    return found


def test_maps_are_those_that_autocast_narrows_and_that_share_no_weight(network, numbers):
    assert narrow(network, numbers) == [network.first, network.again, network.bare]


def test_maps_whose_weight_is_made_of_others_are_left(numbers):
    network = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(8, 8)), nn.Linear(8, 8))
    with maps_in_bfloat16(network) as found, torch.autocast("cpu", torch.bfloat16):
        network[1](input=network[0](numbers))
    assert found == [network[1]]


def test_without_autocast_there_are_none(network, numbers):
    with maps_in_bfloat16(network) as found:
        network(numbers)
    assert found == []


@pytest.mark.parametrize("times", [1, 2])
def test_copies_give_the_loss_and_the_gradients_that_autocast_gives(network, numbers, times):
    plain, copies, maps = copy.deepcopy(network), WorkingCopies(), narrow(network, numbers)
    copies.prepare(maps)
    for _ in range(times):  # the second time with other weights than those that were copied before
        parameters = dict(network.named_parameters())
        expected = loss_of(plain, numbers)
        expected.backward()
        with copies.in_place(maps) as gradient_of:
            assert network.first.weight.dtype == torch.bfloat16
            loss = loss_of(network, numbers)
            loss.backward()
            found = {name: gradient_of(p).float() for name, p in parameters.items() if "unused" not in name}
        assert torch.equal(loss, expected)
        for name, parameter in plain.named_parameters():
            assert "unused" in name or torch.equal(found[name], parameter.grad), name
        for one, other in zip(network.parameters(), plain.parameters(), strict=True):
            assert one.dtype == torch.float32
            one.data, other.data, one.grad, other.grad = one.data / 2, other.data / 2, None, None


def test_a_gradient_that_does_not_come_is_told(network, numbers):
    copies, maps = WorkingCopies(), [network.unused]
    copies.prepare(maps)
    weight = network.unused.weight
    with pytest.raises(RuntimeError, match=r"shape \(8, 8\)"), copies.in_place(maps) as gradient_of:
        gradient_of(weight)
    assert network.unused.weight is weight
