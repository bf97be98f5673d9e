"""How long a run has gone on, all its starts together."""

from __future__ import annotations

import time
from typing import Any

from transformers import TrainerCallback


class TrainingTimer(TrainerCallback):
    """Counts a run's seconds, from here on and before: each log holds them, and so each checkpoint."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    @property
    def seconds(self) -> float:
        """Give the seconds that the run has taken, those that a checkpoint does not know of left out."""
        return time.monotonic() - self._begun

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401 - the library's signature
        """Go on from a checkpoint's seconds, where there is one."""
        self._begun -= next((entry["seconds"] for entry in reversed(state.log_history) if "seconds" in entry), 0.0)

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401 - the library's signature
        """Note the seconds."""
        state.log_history[-1]["seconds"] = round(self.seconds, 3)
