"""Narrow gradients change what is held in memory, and no weight that comes out."""

from functools import partial

import pytest
import tiny
import torch
from small_models import save_encoder
from torch import nn
from torch.nn.utils import get_total_norm
from torch.optim import AdamW
from transformers import AutoModel

from hvpkit.batching import EncodedDataset
from hvpkit.data.prepared import open_prepared
from hvpkit.registry import load_registry
from hvpkit.training.acceleration import narrow_gradients
from hvpkit.training.acceleration.narrow_gradients import (
    NarrowLinear,
    WideningAdamW,
    keep_gradients_narrow,
    may_be_narrow,
    norm_of_rows,
)
from hvpkit.training.callbacks import TrainingCallbacks
from hvpkit.training.train import TrainingSession, train

pytestmark = pytest.mark.skipif(not hasattr(nn.Parameter, "grad_dtype"), reason="this torch widens every gradient")


@pytest.fixture
def small_too(monkeypatch):
    """Narrow the gradients of the smallest maps."""
    monkeypatch.setattr(narrow_gradients, "LARGE", 1)


def twins(*shape):
    """Return the same linear map twice, the second one narrow."""
    plain, other = nn.Linear(*shape), nn.Linear(*shape)
    other.load_state_dict(plain.state_dict())
    keep_gradients_narrow(other, lambda: other(torch.zeros(shape[0])))
    return plain, other


def test_under_autocast_a_narrow_map_does_the_same_and_its_gradient_is_what_was_written_wide(small_too):
    plain, narrow = twins(7, 5)
    numbers, found = torch.randn(4, 3, 7), []
    for linear in (plain, narrow):
        with torch.autocast("cpu", torch.bfloat16):
            output = linear(numbers)
        output.float().square().sum().backward()
        found.append((output, linear.weight.grad, linear.bias.grad))
    (wide_output, wide, wide_bias), (output, gradient, bias) = found
    assert torch.equal(output, wide_output) and torch.equal(bias, wide_bias)
    assert (gradient.dtype, wide.dtype, narrow.weight.dtype) == (torch.bfloat16, torch.float32, torch.float32)
    assert torch.equal(gradient.float(), wide)


def test_without_autocast_a_narrow_map_is_a_plain_one(small_too):
    plain, narrow = twins(7, 5)
    numbers = torch.randn(4, 7)
    for linear in (plain, narrow):
        linear(numbers).square().sum().backward()
    assert torch.equal(narrow(numbers), plain(numbers)) and narrow(numbers).dtype == torch.float32
    assert torch.equal(narrow.weight.grad, plain.weight.grad) and narrow.weight.grad.dtype == torch.float32


def test_small_shared_frozen_and_special_maps_stay_as_they_are():
    class Special(nn.Linear):
        pass

    model = nn.Sequential(*(nn.Linear(256, 256) for _ in range(4)), nn.Linear(255, 256), Special(256, 256))
    model[1].weight = model[0].weight
    model[2].requires_grad_(False)
    model.train()
    keep_gradients_narrow(model, lambda: [module(torch.zeros(module.in_features)) for module in model])
    assert model.training
    assert [isinstance(module, NarrowLinear) for module in model] == [False, False, False, True, False, False]
    assert [may_be_narrow(module.weight) for module in model] == [False, False, False, True, False, False]


@pytest.mark.parametrize(("times", "narrow"), [(0, False), (1, True), (2, False)])
def test_a_map_that_a_pass_uses_again_is_cast_once_for_all_uses(small_too, times, narrow):
    linear = nn.Linear(4, 4)
    keep_gradients_narrow(linear, lambda: [linear(torch.zeros(4)) for _ in range(times)])
    assert may_be_narrow(linear.weight) == narrow


def test_the_layer_that_albert_repeats_stays_wide(small_too, tmp_path):
    encoder = AutoModel.from_pretrained(save_encoder(tmp_path / "albert", "albert"))
    keep_gradients_narrow(encoder, lambda: encoder(torch.ones(1, 3, dtype=torch.long)))
    assert not any(may_be_narrow(parameter) for parameter in encoder.encoder.albert_layer_groups.parameters())
    assert may_be_narrow(encoder.encoder.embedding_hidden_mapping_in.weight)


@pytest.mark.parametrize("scale", [None, 3.0])
def test_the_widening_optimizer_does_what_torchs_does_and_reads_its_state(small_too, scale):
    found = []
    for narrow in (False, True):
        torch.manual_seed(5)
        maps = nn.ModuleList([nn.Linear(6, 40), nn.Linear(40, 9)])
        if narrow:
            keep_gradients_narrow(maps[0], partial(maps[0], torch.zeros(6)))
        groups = [
            {"params": [m.weight for m in maps], "lr": 0.01, "weight_decay": 0.1},
            {"params": [m.bias for m in maps], "lr": 0.1, "weight_decay": 0},
        ]
        optimizer = WideningAdamW(groups) if narrow else AdamW(groups, fused=True)
        if scale:
            optimizer.grad_scale = torch.tensor(scale)
        for step in range(4):
            if step == 2:  # a checkpoint
                state = optimizer.state_dict()
                optimizer = WideningAdamW(groups) if narrow else AdamW(groups, fused=True)
                optimizer.load_state_dict(state)
            for parameter in maps.parameters():
                gradient = torch.randn_like(parameter).bfloat16()
                parameter.grad = gradient if may_be_narrow(parameter) and step != 1 else gradient.float()
            optimizer.step()
        found.append((maps.state_dict(), optimizer.state_dict()))
    (weights, state), (ours, our_state) = found
    for name, weight in weights.items():
        torch.testing.assert_close(ours[name], weight)
    for place, of in state["state"].items():
        torch.testing.assert_close(our_state["state"][place], of)


def test_a_parameter_without_a_gradient_stays(small_too):
    _, narrow = twins(3, 3)
    before = narrow.weight.detach().clone()
    WideningAdamW([{"params": list(narrow.parameters()), "lr": 0.1, "weight_decay": 0.1}]).step()
    assert torch.equal(narrow.weight, before)


def test_the_norm_by_rows_is_the_norm():
    gradient = (
        torch.randn(300, 70, generator=torch.Generator().manual_seed(0)) * torch.logspace(-6, 3, 300)[:, None]
    ).bfloat16()
    exact = float(gradient.double().norm())
    assert float(norm_of_rows(gradient)) == pytest.approx(exact, rel=1e-3)
    assert float(norm_of_rows(gradient.float())) == pytest.approx(exact, rel=1e-6)
    assert float(norm_of_rows(gradient[:1])) == pytest.approx(float(gradient[:1].double().norm()), rel=5e-3)


def test_a_closure_is_called_and_its_loss_given(small_too):
    _, narrow = twins(3, 3)
    optimizer = WideningAdamW([{"params": list(narrow.parameters()), "lr": 0.1, "weight_decay": 0.1}])
    before, expected = narrow.weight.detach().clone(), float(narrow(torch.ones(3)).sum().detach())

    def closure():
        loss = narrow(torch.ones(3)).sum()
        loss.backward()
        return float(loss.detach())

    assert optimizer.step(closure) == pytest.approx(expected)
    assert not torch.equal(narrow.weight, before)


def weights_of(folder, data, monkeypatch, *overrides, narrow=True):
    """Train a tiny model and give the trainer with its norms of gradients, and the weights."""
    made = []
    original = TrainingSession.trainer
    with monkeypatch.context() as patched:
        patched.setattr(TrainingSession, "trainer", lambda self, place: made.append(original(self, place)) or made[0])
        if not narrow:
            patched.setattr("hvpkit.training.train.keep_gradients_narrow", lambda model, forward: None)
        recipe = tiny.recipe(
            folder, data.folder, "mner", overrides=("train.precision=bf16", "train.epochs=3", *overrides)
        )
        train(recipe, load_registry(), folder / f"run-{narrow}")
    return made[0], made[0].hvp_model.state_dict()


@pytest.mark.parametrize("limit", [0, 0.05])
def test_a_run_comes_out_the_same(small_too, tmp_path, mner_data, monkeypatch, limit):
    wide, weights = weights_of(tmp_path, mner_data, monkeypatch, f"train.max_grad_norm={limit}", narrow=False)
    narrow, ours = weights_of(tmp_path, mner_data, monkeypatch, f"train.max_grad_norm={limit}")
    assert type(wide.optimizer.optimizer) is AdamW and type(narrow.optimizer.optimizer) is WideningAdamW
    assert sum(may_be_narrow(parameter) for parameter in narrow.hvp_model.parameters()) > 10
    assert list(ours) == list(weights)
    for name, weight in weights.items():
        torch.testing.assert_close(ours[name], weight, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    "overrides", [("train.precision=fp32",), ("train.gradient_accumulation_steps=2",), ("train.optimizer=sgd",)]
)
def test_gradients_are_wide_where_they_are_or_add_up(small_too, tmp_path, mner_data, monkeypatch, overrides):
    trainer, _ = weights_of(tmp_path, mner_data, monkeypatch, *overrides)
    assert not any(may_be_narrow(parameter) for parameter in trainer.hvp_model.parameters())


@pytest.mark.parametrize(("processes", "narrow"), [("1", True), ("2", False)])
def test_gradients_are_wide_where_processes_add_them_up(small_too, tmp_path, mner_data, monkeypatch, processes, narrow):
    recipe = tiny.recipe(tmp_path, mner_data.folder, "mner", overrides=("train.precision=bf16",))
    run = TrainingSession(recipe, load_registry(), open_prepared(mner_data.folder), TrainingCallbacks())
    items = EncodedDataset([run.batcher.encode(example, labeled=True) for example in run.examples["train"]])
    monkeypatch.setenv("WORLD_SIZE", processes)
    run.apply_cpu_settings(items)
    assert any(may_be_narrow(parameter) for parameter in run.model.parameters()) == narrow


def test_the_norm_that_clips_counts_narrow_gradients(small_too, tmp_path, mner_data, monkeypatch):
    seen = []
    step = WideningAdamW.step

    def watched(self, *given):
        gradients = [p.grad.float() for group in self.param_groups for p in group["params"] if p.grad is not None]
        seen.append((float(get_total_norm(gradients)), float(self.grad_scale)))
        return step(self, *given)

    monkeypatch.setattr(WideningAdamW, "step", watched)
    weights_of(tmp_path, mner_data, monkeypatch, "train.max_grad_norm=0.05")
    assert len(seen) == 9 and all(norm > 0.05 for norm, _ in seen)
    assert [scale for _, scale in seen] == pytest.approx([norm / 0.05 for norm, _ in seen], rel=2e-3)
