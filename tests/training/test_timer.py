"""A run's seconds are those of all its starts."""

from __future__ import annotations

from types import SimpleNamespace

from hvpkit.training import timer
from hvpkit.training.timer import TrainingTimer


def test_a_run_that_goes_on_counts_from_what_its_checkpoint_knows(monkeypatch):
    now = SimpleNamespace(monotonic=lambda: now.at, at=100.0)
    monkeypatch.setattr(timer, "time", now)
    state = SimpleNamespace(log_history=[])
    first = TrainingTimer()
    first.on_train_begin(None, state, None)
    now.at = 130.0
    for what in ("loss", "eval_f1"):
        state.log_history.append({what: 0.5})
        first.on_log(None, state, None)
    now.at = 900.0  # stopped in between: what no checkpoint holds, and the pause, are lost
    second = TrainingTimer()
    now.at = 905.0
    second.on_train_begin(None, state, None)
    now.at = 912.5
    assert second.seconds == 30.0 + 12.5
    state.log_history.append({"loss": 0.25})
    second.on_log(None, state, None)
    assert [entry["seconds"] for entry in state.log_history] == [30.0, 30.0, 42.5]
