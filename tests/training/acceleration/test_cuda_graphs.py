from __future__ import annotations

import copy
import random
from contextlib import contextmanager

import numpy
import pytest
import torch
from raising import raises
from torch import nn
from training.recorder import stand_for_cuda

from hvpkit.errors import InputError
from hvpkit.interfaces import Batch, TextBatch
from hvpkit.training.acceleration.cuda_graphs import MAX_FAILED_CAPTURES, CudaGraphRunner

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
with_a_gpu = pytest.mark.skipif(
    DEVICE == "cpu", reason="a CPU's random numbers are drawn where those of a recording must not be"
)


@pytest.fixture(autouse=True)
def _recordings(monkeypatch):
    if DEVICE == "cpu":
        stand_for_cuda(monkeypatch)


class Scorer(nn.Module):
    """Scores numbers [B, T]; of its two maps the second one is for texts with words."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.plain, self.second, self.dropout = nn.Linear(1, 4), nn.Linear(4, 1), nn.Dropout(dropout)

    def forward(self, batch):
        states = self.dropout(self.plain(batch.text.features["numbers"][..., None]).tanh())
        return (self.second(states) if "second" in batch.text.features else states).square().mean()


class Attention(nn.Module):
    """Scores numbers [B, T] by three maps of one input."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.query, self.key, self.value = (
            nn.Linear(1, 4),
            nn.Linear(4, 4),
            nn.Linear(4, 4),
            nn.Linear(4, 6),
        )

    def forward(self, batch):
        states = self.first(batch.text.features["numbers"][..., None]).tanh()
        query, key, value = self.query(states), self.key(states), self.value(states)
        return self.read(query, key, value)

    def read(self, query, key, value):
        return ((query @ key.mT).softmax(-1) @ value).float().square().mean()


class InRows(Attention):
    """One that wants the numbers of each map together."""

    def read(self, query, key, value):
        return super().read(query, key, value) + query.view(len(query), -1).float().mean()


def batch_of(seed, length=5, **features):
    numbers = torch.randn(3, length, generator=torch.Generator().manual_seed(seed))
    mask = torch.ones(3, length, dtype=torch.bool)
    return Batch(TextBatch({"numbers": numbers, **features}, mask, mask.long(), mask, mask.long()), None).to(DEVICE)


def backward(model):
    def step(batch):
        loss = model(batch)
        loss.backward()
        return loss.detach()

    return step


def plainly(model):
    """A step that gives the gradients' norm, too."""
    step = backward(model)
    return lambda batch: (
        step(batch),
        torch.nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None]),
    )


def trained(model, batches, step):
    """Train with AdamW and weight decay; gives all losses and norms."""
    optimizer, found = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1, fused=True), []
    for batch in batches:
        found += map(float, step(batch))
        optimizer.step()
        optimizer.zero_grad()
    return found


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Scorer().to(DEVICE)


def test_recorded_steps_train_as_plain_ones_do_whatever_the_shapes(model):
    other = copy.deepcopy(model)
    batches = [batch_of(seed, 4 + seed % 3) for seed in range(12)]
    batches += [batch_of(seed, second=torch.ones(1)) for seed in range(4)]
    graphs = CudaGraphRunner(model)
    ours = trained(model, batches, lambda batch: graphs.step(batch, backward(model)))
    assert ours == pytest.approx(trained(other, batches, plainly(other)), rel=1e-5)
    assert len(graphs.captured_steps) == 4
    for own, expected in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(own, expected)


@pytest.mark.parametrize("kind", [Scorer, Attention, InRows])
def test_in_bfloat16_recorded_steps_train_as_autocast_does(kind):
    torch.manual_seed(0)
    model = kind().to(DEVICE)
    other = copy.deepcopy(model)

    def narrowed(model):
        def step(batch):
            with torch.autocast(DEVICE, torch.bfloat16):
                loss = model(batch)
            loss.backward()
            return loss.detach()

        return step

    batches = [batch_of(seed, second=torch.ones(1)) for seed in range(6)]
    graphs = CudaGraphRunner(model)
    ours = trained(model, batches, lambda batch: graphs.step(batch, narrowed(model)))
    step = narrowed(other)
    theirs = trained(
        other, batches, lambda batch: (step(batch), torch.nn.utils.get_total_norm([p.grad for p in other.parameters()]))
    )
    assert len(graphs.captured_steps) == 1
    assert ours == pytest.approx(
        theirs, rel=1e-5 if kind is Scorer else 2e-2
    )  # three gradients of one input are rounded once


def failing(model, call, error):
    """A step that fails at one of its calls: in a normal step, during capture, during replay."""
    calls = []

    def step(batch):
        calls.append(batch)
        loss = backward(model)(batch)
        if len(calls) == call:
            raise error
        return loss

    return step


@pytest.mark.parametrize("call", [2, 3])
def test_a_step_that_cannot_be_recorded_after_all_says_what_to_do(model, call):
    graphs, step = CudaGraphRunner(model), failing(model, call, RuntimeError("not within a recording"))
    with raises(InputError, "cuda-graph-failed", reason="not within a recording"):
        for _ in range(2):
            graphs.step(batch_of(0), step)


@pytest.mark.parametrize("call", [1, 2, 3])
def test_out_of_memory_is_reported_as_such(model, call):
    graphs, step = CudaGraphRunner(model), failing(model, call, torch.OutOfMemoryError("tried to allocate 2 GiB"))
    with pytest.raises(torch.OutOfMemoryError, match="2 GiB"):
        for seed in range(2):
            graphs.step(batch_of(seed), step)


def test_out_of_memory_during_capture_is_reported(model, monkeypatch):
    @contextmanager
    def record(*given, **named):
        try:
            yield
        finally:
            raise RuntimeError("operation failed due to a previous error during capture")

    graphs, step = CudaGraphRunner(model), failing(model, 3, torch.OutOfMemoryError("tried to allocate 2 GiB"))
    graphs.step(batch_of(0), step)
    monkeypatch.setattr(torch.cuda, "graph", record)
    with pytest.raises(torch.OutOfMemoryError, match="2 GiB"):
        graphs.step(batch_of(0), step)


def test_a_step_that_is_done_twice_changes_what_it_changes_once(model):
    model.norm = nn.BatchNorm1d(4, device=DEVICE)
    inner, other = model.forward, copy.deepcopy(model)
    model.forward = lambda batch: (
        inner(batch) + model.norm(batch.text.features["numbers"][0, :4].expand(2, 4) * 1.0).sum()
    )
    graphs = CudaGraphRunner(model)
    graphs.step(batch_of(0), backward(model))
    assert int(model.norm.num_batches_tracked) == 1
    other.norm(batch_of(0).text.features["numbers"][0, :4].expand(2, 4))
    torch.testing.assert_close(model.norm.running_mean, other.norm.running_mean)


def test_parameters_that_a_shape_does_not_reach_get_no_gradients(model):
    graphs = CudaGraphRunner(model)
    for seed in range(3):
        graphs.step(batch_of(seed), backward(model))
        assert model.plain.weight.grad is not None and model.second.weight.grad is None
    assert len(graphs.captured_steps) == 1


@with_a_gpu
def test_every_replay_draws_its_own_dropout():
    model = Scorer(dropout=0.5).to(DEVICE)
    graphs, losses = CudaGraphRunner(model), []
    for _ in range(6):
        losses.append(float(graphs.step(batch_of(0), backward(model))[0]))
    assert len(graphs.captured_steps) == 1 and len(set(losses)) == 6


@pytest.mark.parametrize(
    "unfit",
    [
        lambda loss: loss.item(),
        lambda loss: torch.rand(1),
        lambda loss: random.random(),
        lambda loss: numpy.random.rand(),
    ],
)
def test_what_waits_or_draws_elsewhere_is_never_recorded(model, unfit):
    def step(batch):
        loss = backward(model)(batch)
        unfit(loss)
        return loss

    graphs = CudaGraphRunner(model)
    for seed in range(MAX_FAILED_CAPTURES + 3):
        assert float(graphs.step(batch_of(seed), step)[0]) == pytest.approx(float(model(batch_of(seed)).detach()))
    assert not graphs.captured_steps and graphs.is_disabled


def test_losses_stay_what_they_were_when_the_next_step_is_done(model):
    graphs = CudaGraphRunner(model)
    losses = []
    for seed in range(4):
        losses.append(graphs.step(batch_of(seed), backward(model))[0])
    assert [float(loss) for loss in losses] == pytest.approx(
        [float(model(batch_of(seed)).detach()) for seed in range(4)]
    )


def test_batches_in_one_block_are_taken_as_they_are(model):
    graphs, losses = CudaGraphRunner(model), []
    for seed in range(4):
        in_block = batch_of(seed).consolidate(lambda size: torch.empty(size, dtype=torch.uint8, device=DEVICE))
        losses.append(graphs.step(in_block, backward(model))[0])
    assert [float(loss) for loss in losses] == pytest.approx(
        [float(model(batch_of(seed)).detach()) for seed in range(4)]
    )


def test_all_shapes_of_batches_are_read_in_one_place(model):
    graphs = CudaGraphRunner(model)
    lengths = (3, 9, 5, 9, 3, 5) * 2
    losses = [float(graphs.step(batch_of(seed, length), backward(model))[0]) for seed, length in enumerate(lengths)]
    assert losses == pytest.approx(
        [float(model(batch_of(seed, length)).detach()) for seed, length in enumerate(lengths)]
    )
    assert len(graphs.captured_steps) == 3


def test_no_gradients_are_left_when_they_are_forgotten(model):
    graphs = CudaGraphRunner(model)
    graphs.step(batch_of(0), backward(model))
    graphs.zero_grad()
    assert all(parameter.grad is None for parameter in model.parameters())
