"""Dropout on a CPU: as many are dropped as asked for, each on its own, and gradients pass where numbers did."""

import pytest
import torch
from torch import nn

from hvpkit.utils.dropout import CpuDropout, drop, use_cpu_dropout

MANY = 10**6


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(3)


@pytest.mark.parametrize("share", (0.05, 0.1, 0.5, 0.75))
def test_the_share_is_dropped_and_the_mean_stays(share):
    dropped = drop(torch.ones(MANY), share)
    five_deviations = 5 * (share * (1 - share) / MANY) ** 0.5
    assert float((dropped == 0).float().mean()) == pytest.approx(share, abs=five_deviations)
    assert dropped.unique().tolist() == pytest.approx([0.0, 1 / (1 - share)], rel=1e-4)


@pytest.mark.parametrize("apart", (1, 2, 3, 4, 7, 64))
def test_numbers_are_dropped_independently_of_their_neighbours(apart):
    gone = (drop(torch.ones(MANY), 0.5) == 0).float()
    both = float((gone[:-apart] * gone[apart:]).mean())
    assert both == pytest.approx(0.25, abs=5 * (0.25 * 0.75 / MANY) ** 0.5)


def test_nothing_or_all_may_be_dropped():
    numbers = torch.randn(7, 3, requires_grad=True)
    assert torch.equal(drop(numbers, 0.0), numbers)
    nothing = drop(numbers, 1.0)
    (gradient,) = torch.autograd.grad(nothing.sum(), numbers)
    assert not nothing.any() and not gradient.any()


@pytest.mark.parametrize("dtype", (torch.float32, torch.bfloat16, torch.float64))
def test_gradients_pass_where_numbers_did(dtype):
    numbers = torch.rand(5, 9, 13, dtype=dtype).add(1).requires_grad_()
    dropped = drop(numbers, 0.3)
    (gradient,) = torch.autograd.grad(dropped.sum(), numbers)
    assert dropped.dtype == gradient.dtype == dtype and dropped.shape == numbers.shape
    assert torch.equal(gradient == 0, dropped == 0) and 0 < int((dropped == 0).sum()) < numbers.numel()
    torch.testing.assert_close(numbers * gradient, dropped)


def test_the_same_seed_drops_the_same_and_the_next_draw_others():
    numbers = torch.randn(100)
    torch.manual_seed(4)
    one, two = drop(numbers, 0.5), drop(numbers, 0.5)
    torch.manual_seed(4)
    assert torch.equal(drop(numbers, 0.5), one) and not torch.equal(one, two)


def test_plain_dropouts_of_a_model_are_exchanged_and_nothing_else_changes():
    model = nn.Sequential(
        nn.Linear(4, 4),
        nn.Dropout(0.3),
        nn.Sequential(nn.Dropout(0.2), nn.Dropout(0.2, inplace=True), nn.Dropout1d(0.1)),
    )
    model[2].eval()
    names = list(model.state_dict())
    use_cpu_dropout(model)
    assert [type(module) for module in model[2]] == [CpuDropout, nn.Dropout, nn.Dropout1d]
    assert (model[1].p, model[1].training, model[2][0].p, model[2][0].training) == (0.3, True, 0.2, False)
    assert list(model.state_dict()) == names
    numbers = torch.randn(3, 4)
    assert torch.equal(model[2][0](numbers), numbers)
    assert (model[1](torch.ones(100, 100)) == 0).any()
