import pytest
import tiny
import torch
from raising import raises
from torch import nn
from torch.nn.utils import get_total_norm
from torch.optim import AdamW

from hvpkit.errors import HvpkitError
from hvpkit.model.model import Model
from hvpkit.registry import load_registry
from hvpkit.training import fit
from hvpkit.training.train import train


@pytest.fixture
def trained(tmp_path, mner_data, monkeypatch):
    """Train with images left out and give the trainer."""
    made = []
    original = fit.build_trainer
    monkeypatch.setattr(fit, "build_trainer", lambda *given: made.append(original(*given)) or made[-1])

    def run(*overrides):
        recipe = tiny.recipe(tmp_path, mner_data.folder, "mner", images=False, overrides=overrides)
        train(recipe, load_registry(), tmp_path / f"run{len(made)}")
        return made[-1]

    return run


def test_rates_rise_over_the_warm_up_and_then_fall_to_zero(trained):
    trainer = trained("train.epochs=4", "train.warmup=0.5", "train.lr=1e-3", "train.head_lr=5e-3")
    steps, warm = 12, 6  # 12 examples in batches of 4, four epochs
    expected = [
        1e-3 * (step / warm if step < warm else (steps - step) / (steps - warm)) for step in (2, 5, 8, 11)
    ]  # each epoch's last
    logged = [entry["learning_rate"] for entry in trainer.state.log_history if "learning_rate" in entry]
    assert logged == pytest.approx(expected)
    assert {group["initial_lr"] for group in trainer.optimizer.param_groups} == {1e-3, 5e-3}
    assert {group["lr"] for group in trainer.optimizer.param_groups} == {0.0}


@pytest.mark.parametrize("limit", [0.05, 1000, 0])
def test_gradients_are_clipped_to_the_maximum_norm(trained, monkeypatch, limit):
    norms = []
    original = AdamW.step

    def step(self, *given):
        gradients = [p.grad for group in self.param_groups for p in group["params"] if p.grad is not None]
        norms.append(float(get_total_norm(gradients)))
        return original(self, *given)

    monkeypatch.setattr(AdamW, "step", step)
    trained(f"train.max_grad_norm={limit}")
    assert len(norms) == 3
    assert norms == pytest.approx([0.05] * 3, rel=1e-3) if limit == 0.05 else all(0.05 < norm < 1000 for norm in norms)


def test_a_training_that_diverges_ends_and_keeps_no_epoch_of_it(trained, tmp_path):
    rates = (
        "train.optimizer=sgd",
        "train.lr=0.99",
        "train.head_lr=0.99",
        "train.max_grad_norm=0",
        "train.warmup=0.0",
        "train.epochs=30",
    )
    with raises(HvpkitError, "training-diverged-with-checkpoints", folder=str(tmp_path / "run0.training")) as caught:
        trained(*rates)
    assert caught.value.fields["epoch"] in range(2, 31)
    assert not (tmp_path / "run0").exists()


def test_a_last_step_that_ruins_the_weights_is_noticed(trained, monkeypatch, tmp_path):
    original = AdamW.step
    taken = []

    def step(self, *given):
        taken.append(original(self, *given))
        if len(taken) == 3:
            self.param_groups[0]["params"][0].data.fill_(float("inf"))
        return taken[-1]

    monkeypatch.setattr(AdamW, "step", step)
    with raises(HvpkitError, "training-diverged", epoch=1):
        trained("train.epochs=2")
    assert not list(tmp_path.glob("run0*/checkpoint*"))


def test_accumulated_batches_make_one_step(trained):
    assert trained("train.gradient_accumulation_steps=3", "train.epochs=2").state.global_step == 2


@pytest.mark.parametrize(
    "settings",
    [
        ("train.batch_size=4", "train.gradient_accumulation_steps=3"),
        ("train.batch_size=5", "train.gradient_accumulation_steps=3"),
    ],
)
def test_each_example_of_accumulated_batches_counts_alike(trained, monkeypatch, settings):
    seen = []
    original = AdamW.step

    def step(self, *given):
        seen.append([p.grad.clone() for group in self.param_groups for p in group["params"]])
        return original(self, *given)

    monkeypatch.setattr(AdamW, "step", step)
    monkeypatch.setattr(Model, "train", lambda self, mode=True: nn.Module.train(self, False))  # no dropout
    at_once = trained("train.batch_size=12").state.log_history[0]["loss"]
    in_parts = trained(*settings).state.log_history[0]["loss"]
    whole, parts = seen
    torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-6)
    assert in_parts == pytest.approx(at_once, rel=1e-5)
