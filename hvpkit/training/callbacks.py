"""What training tells whoever started it; it knows no terminal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hvpkit.evaluation.metrics import Scores


@dataclass(frozen=True)
class EpochResult:
    """One finished epoch: its number from 1, the mean training loss, the dev scores if it was evaluated, seconds it took."""

    epoch: int
    epochs: int
    loss: float
    dev: Scores | None
    best: bool
    seconds: float


@dataclass(frozen=True)
class TrainingCallbacks:
    """Callbacks through which training reports progress.

    Attributes:
        on_epoch: Called after every epoch, in the main process.
    """

    on_epoch: Callable[[EpochResult], None] | None = None
