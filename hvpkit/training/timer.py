"""Training time over all starts of a run."""

from __future__ import annotations

import time
from typing import Any

from transformers import TrainerCallback


class TrainingTimer(TrainerCallback):
    """Measure the training time; each log entry, and so each checkpoint, stores it."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds of training, without steps that were lost after the last checkpoint."""
        return time.monotonic() - self._start

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Add the seconds that a checkpoint stores."""
        self._start -= next((entry["seconds"] for entry in reversed(state.log_history) if "seconds" in entry), 0.0)

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Store the seconds in the log entry."""
        state.log_history[-1]["seconds"] = round(self.seconds, 3)
