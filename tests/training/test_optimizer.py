from __future__ import annotations

import pytest
import tiny
import torch
from raising import raises
from torch import nn

from hvpkit.config.recipe import TrainSpec
from hvpkit.errors import RecipeError
from hvpkit.registry import load_registry
from hvpkit.training.bert_adam import BertAdam
from hvpkit.training.callbacks import TrainingCallbacks
from hvpkit.training.optimizer import build_optimizer, build_schedule
from hvpkit.training.parameter_groups import ParameterGroup
from hvpkit.training.train import train


def groups(*rates: float) -> list[ParameterGroup]:
    return [
        ParameterGroup(name="text", params=[nn.Parameter(torch.ones(2, 2))], lr=rate, weight_decay=0.0)
        for rate in rates
    ]


def rates_of(train: TrainSpec, steps: int) -> list[float]:
    """Return the rate before each step."""
    optimizer = build_optimizer(groups(train.lr), train)
    schedule, found = build_schedule(optimizer, train, steps), []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def test_sgd_with_momentum_steps_as_written_out():
    spec = TrainSpec(optimizer="sgd", momentum=0.9, lr=0.1)
    one = groups(0.1)
    parameter, optimizer = one[0]["params"][0], build_optimizer(one, spec)
    expected, velocity = 1.0, 0.0
    for gradient in (1.0, 2.0, -1.0):
        parameter.grad = torch.full((2, 2), gradient)
        optimizer.step()
        velocity = 0.9 * velocity + gradient
        expected -= 0.1 * velocity
        assert parameter.tolist() == [[pytest.approx(expected)] * 2] * 2


def test_every_group_keeps_its_own_rate_under_all_optimizers():
    for name in ("adamw", "sgd", "bert-adam"):
        optimizer = build_optimizer(groups(0.1, 0.3), TrainSpec(optimizer=name))
        build_schedule(optimizer, TrainSpec(optimizer=name, warmup=0.5), 8)
        assert [group["initial_lr"] for group in optimizer.param_groups] == [0.1, 0.3]
        assert type(optimizer) is {"adamw": torch.optim.AdamW, "sgd": torch.optim.SGD, "bert-adam": BertAdam}[name]


def test_rates_fall_with_the_epochs_that_are_done():
    spec = TrainSpec(epochs=3, lr=0.015, schedule="inverse-time", lr_decay=0.05, warmup=0.0)
    assert rates_of(spec, 6) == pytest.approx([0.015 / (1 + 0.05 * epoch) for epoch in (0, 0, 1, 1, 2, 2)])


def test_without_a_decay_rates_stay_after_the_warm_up():
    spec = TrainSpec(epochs=2, lr=1.0 - 1e-9, schedule="inverse-time", warmup=0.5)
    assert rates_of(spec, 8) == pytest.approx([0, 0.25, 0.5, 0.75, 1, 1, 1, 1])


def test_rates_that_fall_linearly_are_zero_at_the_end():
    spec = TrainSpec(epochs=1, lr=0.5, warmup=0.25)
    assert rates_of(spec, 8) == pytest.approx(
        [0, 0.25, 0.5, 0.5 * 5 / 6, 0.5 * 4 / 6, 0.5 * 3 / 6, 0.5 * 2 / 6, 0.5 / 6]
    )


@pytest.mark.parametrize(
    ("milestones", "factors"),
    [(2, [1, 1, 0.5, 0.5, 0.25, 0.25]), ([1, 4], [1, 0.5, 0.5, 0.5, 0.25, 0.25]), ([], [1] * 6)],
)
def test_rates_of_the_step_schedule_change_at_milestones(milestones, factors):
    spec = TrainSpec(epochs=6, lr=0.1, schedule="step", gamma=0.5, milestones=milestones, warmup=0.0)
    assert rates_of(spec, 12) == pytest.approx([0.1 * factor for factor in factors for _ in range(2)])


def test_a_warm_up_can_be_given_in_steps():
    spec = TrainSpec(epochs=1, lr=0.5, warmup=0.9, warmup_steps=2)
    assert rates_of(spec, 6) == pytest.approx([0, 0.25, 0.5, 0.375, 0.25, 0.125])


# pytorch-pretrained-bert's BertAdam on a (decay 0.01) and b (decay 0), lr 0.1, warm-up 0.1 of 20 steps: a and b after
# the steps 0, 1, 2, 9 and 19; the gradients are 2 cos(t) [1, -2, 3] and sin(t) [0.1, 0.2]
BERT_ADAM = {
    0: ([1.0, -2.0, 0.5], [0.3, -0.1]),
    1: ([0.787038, -1.786529, 0.287276], [0.141946, -0.258084]),
    2: ([0.669615, -1.668202, 0.170297], [-0.240905, -0.640984]),
    9: ([0.677649, -1.671355, 0.180775], [-0.839539, -1.239683]),
    19: ([0.741031, -1.732009, 0.245524], [-0.878996, -1.279143]),
}


def test_bert_adam_steps_as_that_of_its_authors():
    a, b = (nn.Parameter(torch.tensor(values)) for values in BERT_ADAM[0])
    spec = TrainSpec(optimizer="bert-adam", lr=0.1, warmup=0.1, schedule="warmup-linear", max_tensor_norm=1.0)
    optimizer = build_optimizer(
        [
            ParameterGroup(name="text", params=[a], lr=0.1, weight_decay=0.01),
            ParameterGroup(name="text", params=[b], lr=0.1, weight_decay=0.0),
        ],
        spec,
    )
    schedule = build_schedule(optimizer, spec, 20)
    for step in range(20):
        time = torch.tensor(float(step))
        a.grad, b.grad = 2 * time.cos() * torch.tensor([1.0, -2.0, 3.0]), time.sin() * torch.tensor([0.1, 0.2])
        optimizer.step()
        schedule.step()
        if step in BERT_ADAM:
            for parameter, expected in zip((a, b), BERT_ADAM[step], strict=True):
                torch.testing.assert_close(parameter.data, torch.tensor(expected), atol=2e-6, rtol=0)


@pytest.mark.parametrize(
    ("override", "code", "fields"),
    [
        ("train.momentum=0.9", "setting-unused", {"key": "momentum", "value": 0.9, "user": "optimizer: sgd"}),
        ("train.lr_decay=0.05", "setting-unused", {"key": "lr_decay", "value": 0.05, "user": "schedule: inverse-time"}),
        ("train.gamma=0.5", "setting-unused", {"key": "gamma", "value": 0.5, "user": "schedule: step"}),
        ("train.milestones=2", "setting-unused", {"key": "milestones", "value": 2, "user": "schedule: step"}),
        (
            "train.max_tensor_norm=1.0",
            "setting-unused",
            {"key": "max_tensor_norm", "value": 1.0, "user": "optimizer: bert-adam"},
        ),
        ("train.patience=0", "value-out-of-range", {"key": "train.patience", "found": "0"}),
        (
            "train.optimizer=sdg",
            "unknown-choice",
            {"key": "train.optimizer", "expected": "'adamw', 'sgd' or 'bert-adam'", "found": "'sdg'"},
        ),
    ],
)
def test_settings_without_effect_or_sense_are_refused(tmp_path, override, code, fields):
    with raises(RecipeError, "recipe-invalid") as refused:
        tiny.recipe(tmp_path, tmp_path, "mner", overrides=(override,))
    [problem] = refused.value.problems
    assert problem.message.code == code
    assert fields.items() <= problem.message.fields.items()


def trained(tmp_path, mner_data, *overrides, name="run", **options):
    lines = []
    recipe = tiny.recipe(tmp_path, mner_data.folder, "mner", images=False, overrides=("train.epochs=6", *overrides))
    finished = train(
        recipe, load_registry(), tmp_path / name, callbacks=TrainingCallbacks(on_epoch=lines.append), **options
    )
    return finished, lines


def test_training_stops_after_so_many_epochs_without_a_better_dev_score(tmp_path, mner_data, logged):
    finished, lines = trained(tmp_path, mner_data, "train.lr=1e-9", "train.patience=2")
    assert [line.epoch for line in lines] == [1, 2, 3]  # nothing is learnt, so nothing is better than the first
    assert finished.best_epoch == 3
    kept, stopped = logged()
    assert (kept.code, kept.fields["epoch"]) == ("dev-scores-equal", 3)
    assert (stopped.code, stopped.fields) == ("stopped-early", {"patience": 2})


def test_without_patience_every_epoch_is_trained(tmp_path, mner_data, logged):
    _, lines = trained(tmp_path, mner_data, "train.lr=1e-9")
    assert len(lines) == 6 and [note.code for note in logged()] == ["dev-scores-equal"]


def test_a_run_that_patience_sees_through_to_its_end_was_not_stopped(tmp_path, mner_data, logged):
    _, lines = trained(tmp_path, mner_data, "train.lr=1e-9", "train.epochs=3", "train.patience=2")
    assert len(lines) == 3 and [note.code for note in logged()] == ["dev-scores-equal"]


def test_a_run_that_goes_on_has_not_forgotten_how_long_it_has_been_waiting(tmp_path, mner_data, monkeypatch):
    class Stopped(Exception):
        pass

    def stop(line):
        if line.epoch == 2:
            raise Stopped

    recipe = tiny.recipe(
        tmp_path,
        mner_data.folder,
        "mner",
        images=False,
        overrides=("train.epochs=6", "train.lr=1e-9", "train.patience=2"),
    )
    with pytest.raises(Stopped):
        train(recipe, load_registry(), tmp_path / "run", callbacks=TrainingCallbacks(on_epoch=stop))
    lines = []
    train(recipe, load_registry(), tmp_path / "run", resume=True, callbacks=TrainingCallbacks(on_epoch=lines.append))
    assert [line.epoch for line in lines] == [3]


def test_sgd_trains_a_model(tmp_path, mner_data):
    sgd = (
        "train.optimizer=sgd",
        "train.momentum=0.9",
        "train.lr=1e-2",
        "train.schedule=inverse-time",
        "train.lr_decay=0.05",
        "train.warmup=0",
    )
    _, lines = trained(tmp_path, mner_data, *sgd)
    assert lines[-1].loss < lines[0].loss


def test_bert_adam_trains_a_model(tmp_path, mner_data):
    bert_adam = ("train.optimizer=bert-adam", "train.lr=1e-2", "train.warmup_steps=2", "train.max_tensor_norm=1")
    _, lines = trained(tmp_path, mner_data, *bert_adam)
    assert lines[-1].loss < lines[0].loss
