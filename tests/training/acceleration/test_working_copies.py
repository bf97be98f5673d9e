from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import linear
from torch.utils._python_dispatch import TorchDispatchMode

from hvpkit.training.acceleration.working_copies import WorkingCopies, maps_in_bfloat16


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
    assert narrow(network, numbers) == [(network.first,), (network.again,), (network.bare,)]


def test_maps_whose_weight_is_made_of_others_are_left(numbers):
    network = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(8, 8)), nn.Linear(8, 8))
    with maps_in_bfloat16(network) as found, torch.autocast("cpu", torch.bfloat16):
        network[1](input=network[0](numbers))
    assert found == [(network[1],)]


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


class Attention(nn.Module):
    """Three maps of one input, `read` is the function applied to them."""

    def __init__(self, read):
        super().__init__()
        self.query, self.key, self.value, self.out = (
            nn.Linear(8, 6),
            nn.Linear(8, 6),
            nn.Linear(8, 10),
            nn.Linear(10, 8, bias=False),
        )
        self.read, self.between = read, lambda x: x

    def forward(self, x):
        x = x * 2
        query, key, value = self.query(x), self.key(self.between(x)), self.value(input=x)
        return self.read(self, x, self.out((query @ key.mT).softmax(-1) @ value)).float().square().mean()


def key_again(network, x, out):
    return out + network.key(out).repeat(1, 2)[:, :8] + network.key(out)[:, :1]


def weight_elsewhere(network, x, out):
    return out + linear(x, network.value.weight)[:, :8]


class Products(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.shapes = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function is torch.ops.aten.addmm.default:
            self.shapes.append(tuple(args[2].shape))
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("read", [lambda network, x, out: out, key_again, weight_elsewhere])
def test_maps_of_one_input_are_one_product(numbers, read):
    torch.manual_seed(0)
    network = Attention(read)
    plain, copies, maps = copy.deepcopy(network), WorkingCopies(), narrow(network, numbers)
    assert maps == [(network.query, network.key, network.value), (network.out,)]
    parameters = dict(network.named_parameters())
    expected = loss_of(plain, numbers)
    expected.backward()
    copies.prepare(maps)
    with copies.in_place(maps) as gradient_of:
        with Products() as products:
            loss = loss_of(network, numbers)
        loss.backward()
        found = {name: gradient_of(p).float() for name, p in parameters.items()}
    assert products.shapes[0] == (8, 22)
    assert torch.equal(loss, expected)
    for name, parameter in plain.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, atol=1e-3, rtol=2e-2, msg=name)
        assert network.get_parameter(name) is parameters[name] and parameters[name].grad is None
    assert torch.equal(loss_of(network, numbers), expected)


@pytest.mark.parametrize("between", [lambda x: x + 1, lambda x: x.add_(1)])
def test_a_map_that_is_given_another_input_after_all_maps_that(numbers, between):
    network, copies = Attention(lambda network, x, out: out), WorkingCopies()
    maps = narrow(network, numbers)
    copies.prepare(maps)
    network.between = between
    expected = loss_of(network, numbers)
    with copies.in_place(maps):
        assert torch.equal(loss_of(network, numbers), expected)


def test_maps_of_one_input_with_and_without_bias_stay_apart(numbers):
    network = nn.ModuleList([nn.Linear(8, 4), nn.Linear(8, 4, bias=False), nn.Linear(8, 4, bias=False)])
    with maps_in_bfloat16(network) as found, torch.autocast("cpu", torch.bfloat16):
        [each(numbers) for each in network]
    assert found == [(network[0],), (network[1], network[2])]


def test_maps_of_one_input_that_learn_from_it_and_do_not_stay_apart(numbers):
    network = nn.ModuleList([nn.Linear(8, 4), nn.Linear(8, 4)])
    with maps_in_bfloat16(network) as found, torch.autocast("cpu", torch.bfloat16):
        network[0](numbers)
        with torch.no_grad():
            network[1](numbers)
    assert found == [(network[0],), (network[1],)]


def test_a_map_that_learns_in_part_is_left(numbers):
    network = nn.Linear(8, 4)
    network.bias.requires_grad_(False)
    with maps_in_bfloat16(network) as found, torch.autocast("cpu", torch.bfloat16):
        network(numbers)
    assert found == []


def test_missing_gradient_is_reported(network, numbers):
    copies, maps = WorkingCopies(), [(network.unused,)]
    copies.prepare(maps)
    weight = network.unused.weight
    with pytest.raises(RuntimeError, match=r"shape \(8, 8\)"), copies.in_place(maps) as gradient_of:
        gradient_of(weight)
    assert network.unused.weight is weight
