from __future__ import annotations

import copy
from contextlib import contextmanager

import pytest
import torch
from raising import raises
from torch import nn
from training.recorder import replace_cuda_graphs

from hvpkit.errors import InputError
from hvpkit.interfaces import Batch, TextBatch
from hvpkit.training.acceleration.cuda_graphs import WARMUP_STEPS, CudaGraphRunner

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
with_a_gpu = pytest.mark.skipif(DEVICE == "cpu", reason="a replay draws new random numbers on a GPU only")


@pytest.fixture(autouse=True)
def _graphs(monkeypatch):
    if DEVICE == "cpu":
        replace_cuda_graphs(monkeypatch)


class Scorer(nn.Module):
    """Score numbers [B, T]; the second of its two layers is used for texts with a feature of that name."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.plain, self.second, self.dropout = nn.Linear(1, 4), nn.Linear(4, 1), nn.Dropout(dropout)

    def forward(self, batch):
        states = self.dropout(self.plain(batch.text.features["numbers"][..., None]).tanh())
        return (self.second(states) if "second" in batch.text.features else states).square().mean()


def batch_of(seed, length=5, **features):
    numbers = torch.randn(3, length, generator=torch.Generator().manual_seed(seed))
    mask = torch.ones(3, length, dtype=torch.bool)
    return Batch(TextBatch({"numbers": numbers, **features}, mask, mask.long(), mask, mask.long()), None).to(DEVICE)


def plain_step(model, autocast=False):
    def step(batch):
        with torch.autocast(DEVICE, torch.bfloat16, enabled=autocast):
            loss = model(batch)
        loss.backward()
        return loss.detach()

    return step


def trained(model, batches, step):
    """Train with AdamW and weight decay; return the losses and the norms of the gradients."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1, fused=True)
    losses, norms = [], []
    for batch in batches:
        losses.append(step(batch))
        norms.append(float(nn.utils.clip_grad_norm_(model.parameters(), 0.2)))
        optimizer.step()
        optimizer.zero_grad()
    return [*map(float, losses), *norms]


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Scorer().to(DEVICE)


@pytest.mark.parametrize("autocast", [False, True])
def test_captured_steps_train_as_plain_ones_do_for_all_shapes(model, autocast):
    other = copy.deepcopy(model)
    batches = [batch_of(seed, 4 + seed % 3) for seed in range(15)]
    batches += [batch_of(seed, second=torch.ones(1)) for seed in range(5)]
    runner = CudaGraphRunner(model)
    ours = trained(model, batches, lambda batch: runner(plain_step(model, autocast), batch))
    expected = trained(other, batches, plain_step(other, autocast))
    assert ours == pytest.approx(expected, rel=1e-2 if autocast else 1e-5)
    assert len(runner.captured_steps) == 4
    for own, theirs in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(own, theirs, **({"atol": 1e-2, "rtol": 1e-2} if autocast else {}))


def test_parameters_that_a_shape_does_not_use_get_no_gradients(model):
    runner = CudaGraphRunner(model)
    for batch in [batch_of(0, second=torch.ones(1)), *(batch_of(seed) for seed in range(4))] * 2:
        runner(plain_step(model), batch)
        assert model.plain.weight.grad is not None
        assert (model.second.weight.grad is not None) == ("second" in batch.text.features)
        model.zero_grad()
    assert len(runner.captured_steps) == 1


def test_all_captured_steps_share_the_memory_of_gradients(model):
    runner = CudaGraphRunner(model)
    for length in (4, 5, 6) * (WARMUP_STEPS + 1):
        model.zero_grad()
        runner(plain_step(model), batch_of(length, length))
    addresses = {captured.gradients[model.plain.weight].data_ptr() for captured in runner.captured_steps.values()}
    assert len(runner.captured_steps) == 3 and len(addresses) == 1
    runner.release()
    assert not runner.captured_steps


def failing(model, call, error):
    """Build a step that fails at one of its calls."""
    calls = []

    def step(batch):
        calls.append(batch)
        loss = plain_step(model)(batch)
        if len(calls) == call:
            raise error
        return loss

    return step


def test_a_step_that_cannot_be_captured_is_reported_with_advice(model):
    runner, step = CudaGraphRunner(model), failing(model, WARMUP_STEPS + 1, RuntimeError("not while capturing"))
    with raises(InputError, "cuda-graph-failed", reason="not while capturing"):
        for _ in range(WARMUP_STEPS + 1):
            runner(step, batch_of(0))


@pytest.mark.parametrize("call", [1, WARMUP_STEPS + 1])
def test_out_of_memory_is_reported_as_such(model, call):
    runner, step = CudaGraphRunner(model), failing(model, call, torch.OutOfMemoryError("tried to allocate 2 GiB"))
    with pytest.raises(torch.OutOfMemoryError):
        for seed in range(WARMUP_STEPS + 1):
            runner(step, batch_of(seed))


def test_out_of_memory_during_capture_is_reported(model, monkeypatch):
    @contextmanager
    def record(*given, **named):
        try:
            yield
        finally:
            raise RuntimeError("operation failed due to a previous error during capture")

    error = torch.OutOfMemoryError("tried to allocate 2 GiB")
    runner, step = CudaGraphRunner(model), failing(model, WARMUP_STEPS + 1, error)
    monkeypatch.setattr(torch.cuda, "graph", record)
    with pytest.raises(torch.OutOfMemoryError):
        for _ in range(WARMUP_STEPS + 1):
            runner(step, batch_of(0))


@with_a_gpu
def test_every_replay_draws_its_own_dropout():
    model = Scorer(dropout=0.5).to(DEVICE)
    runner, losses = CudaGraphRunner(model), []
    for _ in range(8):
        losses.append(float(runner(plain_step(model), batch_of(0))))
    assert len(runner.captured_steps) == 1 and len(set(losses)) == 8


def test_a_loss_is_not_overwritten_by_the_next_step(model):
    runner = CudaGraphRunner(model)
    losses = [runner(plain_step(model), batch_of(seed)) for seed in range(6)]
    assert [float(loss) for loss in losses] == pytest.approx(
        [float(model(batch_of(seed)).detach()) for seed in range(6)]
    )
