"""The training loop: epochs with transformers.Trainer, dev after each, the best one kept."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import EarlyStoppingCallback, PrinterCallback, TrainerCallback, TrainerState
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import set_seed

from hvpkit.batching import EncodedExample, LengthSampler, exact_length, round_up_to_8
from hvpkit.config.recipe import TrainSpec
from hvpkit.errors import InputError
from hvpkit.messages import Message
from hvpkit.training.acceleration.accelerated import TrainStep, captures_steps
from hvpkit.training.acceleration.precision import uses_bf16
from hvpkit.training.arguments import build_training_arguments, logging_callbacks
from hvpkit.training.callbacks import TrainingCallbacks, TrainingStart
from hvpkit.training.distributed import is_main_process, world_size
from hvpkit.training.parameter_groups import parameter_groups
from hvpkit.training.run_directory import LOGS
from hvpkit.training.scoring import SplitScorer
from hvpkit.training.session import TrainingSession
from hvpkit.training.timer import TrainingTimer
from hvpkit.training.trainer import MultimodalTrainer
from hvpkit.training.trainer_callbacks import (
    EpochReporter,
    KeepLastWithoutDifference,
    RestoreBestCheckpoint,
    SetSamplerEpoch,
    StopOnNaN,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FitResult:
    """Result of the training loop; the model holds the weights of the best epoch.

    Attributes:
        best_epoch: Number of the epoch that was kept.
        seconds: Training time over all starts of the run.
        notes: Notes on the training, for metrics.json.
    """

    best_epoch: int
    seconds: float
    notes: list[Message]


def fit(
    session: TrainingSession,
    scorer: SplitScorer,
    folder: Path,
    step: TrainStep,
    *,
    checkpoint: Path | None = None,
    callbacks: TrainingCallbacks = TrainingCallbacks(),  # noqa: B008 - frozen
) -> FitResult:
    """Train the model of a session and leave the weights of the epoch with the best dev F1 in it.

    Without a dev split, or if all epochs have the same dev F1, the last epoch is kept.

    Args:
        session: The run.
        scorer: Scorer of dev.
        folder: Directory for checkpoints and logs.
        step: Accelerated step.
        checkpoint: Checkpoint to continue from.
        callbacks: Callbacks for progress.

    Raises:
        InputError: "out-of-gpu-memory" or "out-of-gpu-memory-with-graphs" if the GPU memory is too small.
        HvpkitError: "training-diverged" or "training-diverged-with-checkpoints" if weights become NaN.
    """
    train = session.recipe.train
    timer, keep_last = TrainingTimer(), KeepLastWithoutDifference()
    reporter = EpochReporter(callbacks, scorer, train.epochs)
    trainer = build_trainer(session, scorer, folder, step, [keep_last, reporter, timer])
    if checkpoint is not None:
        trainer.args.num_train_epochs = _total_epochs(checkpoint, train)
    if callbacks.on_start is not None and is_main_process():
        callbacks.on_start(_training_start(session, trainer, checkpoint))
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except torch.OutOfMemoryError as error:
        if captures_steps(session.model, train, session.device):
            raise InputError("out-of-gpu-memory-with-graphs", reason=str(error)) from error
        raise InputError("out-of-gpu-memory", reason=str(error)) from error
    state = trainer.state
    if train.patience is not None and (state.epoch or 0) < train.epochs:
        log.info(Message("stopped-early", patience=train.patience))
    trainer.accelerator.wait_for_everyone()
    trainer.accelerator.end_training()
    steps_per_epoch = state.max_steps / state.num_train_epochs
    best_epoch = round((state.best_global_step or state.global_step) / steps_per_epoch)
    return FitResult(best_epoch, timer.seconds, [] if keep_last.note is None else [keep_last.note])


def build_trainer(
    session: TrainingSession,
    scorer: SplitScorer,
    folder: Path,
    step: TrainStep,
    callbacks: list[TrainerCallback],
) -> MultimodalTrainer:
    """Build the trainer of a session.

    Args:
        session: The run.
        scorer: Scorer of dev.
        folder: Directory for checkpoints and logs.
        step: Accelerated step.
        callbacks: Further callbacks.
    """
    train, model, lengths = session.recipe.train, session.model, session.train_set.lengths
    has_dev = bool(session.examples["dev"])
    sampler = LengthSampler(lengths, train.batch_size * train.gradient_accumulation_steps, train.seed)
    # few distinct shapes, since each is captured by itself
    size = round_up_to_8(max(lengths)) if captures_steps(model, train, session.device) else exact_length

    def collate(items: list[EncodedExample]) -> dict[str, Any]:
        return {"batch": session.batcher.collate(items, size)}

    arguments = build_training_arguments(
        train, folder, session.device, evaluates=has_dev, find_unused_parameters=model.vision is not None
    )
    trainer = MultimodalTrainer(
        settings=train,
        groups=parameter_groups(model, train),
        sampler=sampler,
        step=step,
        score_dev=(lambda: scorer.score("dev")) if has_dev else None,
        model=model,
        args=arguments,
        train_dataset=session.train_set,
        eval_dataset=session.examples["dev"],
        data_collator=collate,
        callbacks=[SetSamplerEpoch(sampler), StopOnNaN(), RestoreBestCheckpoint(), *callbacks],
    )
    trainer.remove_callback(PrinterCallback)  # TrainingCallbacks report instead
    if has_dev and train.patience is not None:
        trainer.add_callback(EarlyStoppingCallback(train.patience))
    for callback in logging_callbacks(train, folder / LOGS) if is_main_process() else []:
        trainer.add_callback(callback)
    set_seed(arguments.seed + arguments.process_index)  # each process has its own dropout masks
    return trainer


def _training_start(session: TrainingSession, trainer: MultimodalTrainer, checkpoint: Path | None) -> TrainingStart:
    train, parameters = session.recipe.train, list(session.model.parameters())
    finished = 0 if checkpoint is None else TrainerState.load_from_json(str(checkpoint / TRAINER_STATE_NAME)).epoch
    examples = len(session.train_set)
    examples_per_step = train.batch_size * train.gradient_accumulation_steps * world_size()
    return TrainingStart(
        device=str(session.device),
        precision="bf16" if uses_bf16(train, session.device) else "fp32",
        parameters=sum(parameter.numel() for parameter in parameters),
        trained=sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
        examples=examples,
        steps=-(-examples // examples_per_step),
        epochs=round(trainer.args.num_train_epochs - (finished or 0)),
    )


def _total_epochs(checkpoint: Path, train: TrainSpec) -> int:
    """Return the total epochs of a resumed run: the finished ones if early stopping had ended it."""
    state = TrainerState.load_from_json(str(checkpoint / TRAINER_STATE_NAME))
    early_stopping: Any = state.stateful_callbacks.get("EarlyStoppingCallback", {})
    waited = early_stopping.get("attributes", {}).get("early_stopping_patience_counter", 0)
    return round(state.epoch or 0) if train.patience is not None and waited >= train.patience else train.epochs
