from math import inf

import pytest
import tiny
from accelerate import Accelerator

from hvpkit.registry import load_registry
from hvpkit.training import run as training_run
from hvpkit.training.run import train


@pytest.fixture
def trained(tmp_path, mner_data, monkeypatch):
    """Train with pictures left out and give the trainer."""
    made = []
    original = training_run.Run.trainer
    monkeypatch.setattr(training_run.Run, "trainer", lambda self, folder: made.append(original(self, folder)) or made[0])

    def run(*overrides):
        recipe = tiny.recipe(tmp_path, mner_data.folder, "mner", pictures=False, overrides=overrides)
        train(recipe, load_registry(), tmp_path / "run")
        return made[0]

    return run


def test_rates_rise_over_the_warm_up_and_then_fall_to_zero(trained):
    trainer = trained("train.epochs=4", "train.warmup=0.5", "train.lr=1e-3", "train.head_lr=5e-3")
    steps, warm = 12, 6  # 12 examples in batches of 4, four epochs
    expected = [1e-3 * (step / warm if step < warm else (steps - step) / (steps - warm)) for step in (2, 5, 8, 11)]  # each epoch's last
    logged = [entry["learning_rate"] for entry in trainer.state.log_history if "learning_rate" in entry]
    assert logged == pytest.approx(expected)
    assert {group["initial_lr"] for group in trainer.optimizer.param_groups} == {1e-3, 5e-3}
    assert {group["lr"] for group in trainer.optimizer.param_groups} == {0.0}


@pytest.mark.parametrize(("limit", "clipped"), [(0.5, [0.5] * 3), (0, [inf] * 3)])
def test_gradients_are_clipped_at_every_step_unless_the_limit_is_zero(trained, monkeypatch, limit, clipped):
    limits = []
    original = Accelerator.clip_grad_norm_
    monkeypatch.setattr(
        Accelerator, "clip_grad_norm_", lambda self, parameters, most, *rest: limits.append(most) or original(self, parameters, most, *rest)
    )
    trained(f"train.max_grad_norm={limit}")
    assert limits == clipped


def test_accumulated_batches_make_one_step(trained):
    assert trained("train.accumulate=3", "train.epochs=2").state.global_step == 2
