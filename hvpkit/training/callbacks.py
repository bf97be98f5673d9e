"""Callbacks through which training reports progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hvpkit.evaluation.metrics import Scores


@dataclass(frozen=True)
class EpochResult:
    """Result of one finished epoch.

    Attributes:
        epoch: Number of the epoch, from 1.
        epochs: Number of epochs of the run.
        loss: Mean training loss.
        dev: Dev scores; None if dev was not scored.
        best: Whether this is the best epoch so far.
        seconds: Duration of the epoch.
    """

    epoch: int
    epochs: int
    loss: float
    dev: Scores | None
    best: bool
    seconds: float


@dataclass(frozen=True)
class TrainingStart:
    """What is about to be trained.

    Attributes:
        device: Device.
        precision: "fp32" or "bf16".
        parameters: Number of parameters of the model.
        trained: Number of parameters that are trained.
        examples: Number of training examples.
        steps: Number of optimizer steps per epoch.
        epochs: Number of epochs that are left.
    """

    device: str
    precision: str
    parameters: int
    trained: int
    examples: int
    steps: int
    epochs: int


@dataclass(frozen=True)
class TrainingCallbacks:
    """Callbacks through which training reports progress.

    Attributes:
        on_epoch: Called after every epoch, in the main process.
        on_start: Called before the first step, in the main process.
    """

    on_epoch: Callable[[EpochResult], None] | None = None
    on_start: Callable[[TrainingStart], None] | None = None
