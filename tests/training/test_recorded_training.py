"""Training hands its steps to recordings where there are any; what records them is tested where there is a GPU."""

from __future__ import annotations

import pytest
import tiny
import torch
from torch.nn.utils import get_total_norm

from hvpkit.data.prepared import open_prepared
from hvpkit.registry import load_registry
from hvpkit.training.report import Report
from hvpkit.training.run import Run

PLAIN = ("train.epochs=2", "train.precision=fp32", "text.masked=0.0", "text.disguised=0.0")


class AsUsual:
    """Stands for StepGraphs where there is no GPU: does steps, and counts."""

    def __init__(self, model) -> None:
        self.model, self.shapes, self.forgotten, self.useless = model, [], 0, False

    def step(self, batch, step):
        assert all(p.grad is None for p in self.model.parameters())
        self.shapes.append(batch.text.mask.shape)
        loss = step(batch)
        return loss, get_total_norm([p.grad for p in self.model.parameters() if p.grad is not None])

    def forget(self):
        self.forgotten += 1
        for parameter in self.model.parameters():
            parameter.grad = None


def trained(folder, data, recorded):
    recipe = tiny.recipe(folder, data, "mner", overrides=PLAIN)
    run = Run(recipe, load_registry(), open_prepared(data), Report())
    for module in run.model.modules():
        for name in ("p", "attention_dropout"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)
    trainer = run.trainer(folder / "training")
    graphs = trainer.graphs = AsUsual(run.model) if recorded else None
    trainer.train()
    return run.model, graphs, trainer


def test_recorded_steps_train_the_same_model(tmp_path, mner_data):
    plain, _, _ = trained(tmp_path / "plain", mner_data.folder, recorded=False)
    model, graphs, trainer = trained(tmp_path / "recorded", mner_data.folder, recorded=True)
    assert len(graphs.shapes) == graphs.forgotten == 6
    assert all(shape[1] % 8 == 0 or shape[1] == max(s[1] for s in graphs.shapes) for shape in graphs.shapes)
    for own, expected in zip(model.state_dict().values(), plain.state_dict().values(), strict=True):
        torch.testing.assert_close(own, expected, atol=1e-5, rtol=1e-4)
    assert trainer.graphs is None and "zero_grad" not in vars(model)


def test_what_can_record_nothing_is_left(tmp_path, mner_data, monkeypatch):
    steps = []
    monkeypatch.setattr(AsUsual, "forget", lambda self: steps.append(setattr(self, "useless", True)))
    model, graphs, _ = trained(tmp_path, mner_data.folder, recorded=True)
    assert len(graphs.shapes) == len(steps) == 1 and "zero_grad" not in vars(model)


def test_gradients_are_clipped_by_the_norm_that_comes_with_a_step(tmp_path, mner_data, monkeypatch):
    monkeypatch.setattr(AsUsual, "step", lambda self, batch, step: (step(batch), torch.tensor(float("inf"))))
    before, _, _ = trained(tmp_path / "before", mner_data.folder, recorded=False)
    model, _, trainer = trained(tmp_path / "inf", mner_data.folder, recorded=True)
    assert torch.isinf(trainer.optimizer.optimizer.grad_scale)
    assert not torch.equal(model.head.linear.weight, before.head.linear.weight)


@pytest.fixture(autouse=True)
def _cpu():
    if torch.cuda.is_available():
        pytest.skip("steps are recorded here")
