from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from hvpkit.training.onednn import OneDnnLinear, multiply_by_onednn

INPUTS = {
    "rows": lambda: torch.randn(5, 8),
    "a batch of texts": lambda: torch.randn(3, 5, 8),
    "a view": lambda: torch.randn(8, 3, 5).permute(1, 2, 0),
    "a repeated row": lambda: torch.randn(1, 1, 8).expand(3, 5, 8),
    "nothing": lambda: torch.randn(3, 0, 8),
    "one row": lambda: torch.randn(8),
}


def twins(bias: bool = True) -> tuple[nn.Linear, nn.Linear]:
    torch.manual_seed(0)
    plain = nn.Linear(8, 6, bias=bias)
    ours = copy.deepcopy(plain)
    multiply_by_onednn(ours)
    assert type(ours) is OneDnnLinear
    return plain, ours


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("weighted", [True, False], ids=["weighted", "summed"])  # a sum's gradient is one number, repeated
def test_values_and_gradients_are_those_of_a_plain_linear_map(kind, bias, weighted):
    given, found = INPUTS[kind](), []
    for linear in twins(bias):
        own = given.clone().requires_grad_()
        mapped = linear(own)
        torch.manual_seed(1)
        (mapped * torch.randn(mapped.shape) if weighted else mapped).sum().backward()
        found.append([mapped.detach(), own.grad, *(parameter.grad for parameter in linear.parameters())])
    for plain, ours in zip(*found, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-5, atol=1e-6)


def test_what_is_frozen_gets_no_gradient():
    _, ours = twins()
    ours.weight.requires_grad_(False)
    given = torch.randn(2, 8)
    ours(given).sum().backward()
    assert ours.weight.grad is None and given.grad is None
    assert ours.bias.grad.tolist() == [2.0] * 6


def test_other_precisions_are_torch_s_own():
    plain, ours = twins()
    with torch.autocast("cpu", torch.bfloat16):
        assert ours(torch.ones(2, 8)).dtype == torch.bfloat16
    assert torch.equal(ours.double()(torch.ones(2, 8).double()), plain.double()(torch.ones(2, 8).double()))


def test_a_model_keeps_its_parameters_and_other_modules():
    model = nn.Sequential(nn.Linear(4, 4), nn.LSTM(4, 4), nn.Bilinear(2, 2, 2))
    before = {name: id(parameter) for name, parameter in model.named_parameters()}
    multiply_by_onednn(model)
    assert {name: id(parameter) for name, parameter in model.named_parameters()} == before
    assert [type(module) for module in model] == [OneDnnLinear, nn.LSTM, nn.Bilinear]
