"""Callbacks of transformers.Trainer, each for one purpose."""

from __future__ import annotations

import logging
import math
import time
from pathlib import Path
from typing import Any

from torch.nn.utils import get_total_norm
from transformers import TrainerCallback, TrainingArguments

from hvpkit.batching import LengthSampler
from hvpkit.errors import HvpkitError
from hvpkit.messages import Message
from hvpkit.training.callbacks import EpochResult, TrainingCallbacks
from hvpkit.training.scoring import SplitScorer

log = logging.getLogger(__name__)


class SetSamplerEpoch(TrainerCallback):
    """Set the epoch of the sampler, which a wrapped data loader does not always do.

    Args:
        sampler: Sampler of the training set.
    """

    def __init__(self, sampler: LengthSampler) -> None:
        self.sampler = sampler

    def on_epoch_begin(self, args: TrainingArguments, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Set the epoch of the sampler."""
        self.sampler.epoch = round(state.epoch or 0)


class StopOnNaN(TrainerCallback):
    """Stop training when weights are NaN or infinite, before that epoch is scored and saved."""

    def on_epoch_end(self, args: TrainingArguments, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Check the weights.

        Raises:
            HvpkitError: "training-diverged" or "training-diverged-with-checkpoints" if a weight is NaN or infinite.
        """
        trained = [parameter.detach() for parameter in kwargs["model"].parameters() if parameter.requires_grad]
        if not get_total_norm(trained).isfinite():
            has_checkpoint = any(Path(args.output_dir or "").glob("checkpoint-*"))
            epoch = round(state.epoch)
            if has_checkpoint:
                raise HvpkitError("training-diverged-with-checkpoints", epoch=epoch, folder=args.output_dir)
            raise HvpkitError("training-diverged", epoch=epoch)


class RestoreBestCheckpoint(TrainerCallback):
    """Correct the best-checkpoint path when a resumed run directory was moved.

    transformers would silently ignore a best checkpoint that is not found.
    """

    def on_train_begin(self, args: TrainingArguments, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Set the path of the best checkpoint."""
        if state.best_global_step:
            state.best_model_checkpoint = _checkpoint(args, state.best_global_step)


class KeepLastWithoutDifference(TrainerCallback):
    """Keep the last epoch if all epochs have the same dev F1; transformers would keep the first one.

    Attributes:
        note: Message that says so; None if dev chose an epoch.
    """

    def __init__(self) -> None:
        self.note: Message | None = None

    def on_train_begin(self, args: TrainingArguments, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Set the best checkpoint of a resumed run that was complete."""
        self._set_best(args, state, is_last=(state.epoch or 0) >= args.num_train_epochs)

    def on_save(self, args: TrainingArguments, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Set the best checkpoint after the last epoch."""
        self._set_best(args, state, is_last=control.should_training_stop or round(state.epoch) >= args.num_train_epochs)

    def _set_best(self, args: TrainingArguments, state: Any, is_last: bool) -> None:  # noqa: ANN401
        f1 = [entry["eval_f1"] for entry in state.log_history if "eval_f1" in entry]
        if not is_last or len(f1) < 2 or len(set(f1)) > 1:
            return
        state.best_global_step, state.best_model_checkpoint = state.global_step, _checkpoint(args, state.global_step)
        self.note = Message("dev-scores-equal", epoch=round(state.epoch), epochs=len(f1), f1=f1[0])
        log.warning(self.note)


class EpochReporter(TrainerCallback):
    """Report each epoch to the callbacks of `train`.

    Args:
        callbacks: Callbacks of `train`.
        scorer: Scorer of dev; it is read after each epoch.
        epochs: Number of epochs of the run.
    """

    def __init__(self, callbacks: TrainingCallbacks, scorer: SplitScorer, epochs: int) -> None:
        self.callbacks, self.scorer, self.epochs = callbacks, scorer, epochs
        self.start = time.monotonic()

    def on_epoch_begin(self, args: TrainingArguments, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Start the clock of the epoch."""
        self.start, self.scorer.latest_dev = time.monotonic(), None

    def on_save(self, args: TrainingArguments, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Report the finished epoch, in the main process."""
        if self.callbacks.on_epoch is None or not state.is_world_process_zero:
            return
        loss = next((entry["loss"] for entry in reversed(state.log_history) if "loss" in entry), math.nan)
        is_best = state.best_global_step == state.global_step
        seconds = time.monotonic() - self.start
        self.callbacks.on_epoch(
            EpochResult(round(state.epoch), self.epochs, loss, self.scorer.latest_dev, is_best, seconds)
        )


def _checkpoint(args: TrainingArguments, step: int) -> str:
    return str(Path(args.output_dir or "") / f"checkpoint-{step}")
