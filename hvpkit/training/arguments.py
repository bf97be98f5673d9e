"""Arguments of transformers.Trainer, from a recipe."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import TrainerCallback, TrainingArguments
from transformers.integrations.integration_utils import TensorBoardCallback
from transformers.trainer_utils import IntervalStrategy

from hvpkit.config.recipe import TrainSpec
from hvpkit.errors import InputError
from hvpkit.training.acceleration.precision import uses_bf16


def build_training_arguments(
    train: TrainSpec, folder: Path, *, evaluates: bool, find_unused_parameters: bool
) -> TrainingArguments:
    """Build the training arguments of transformers from a recipe.

    Args:
        train: Settings of the recipe.
        folder: Directory for checkpoints, one per epoch.
        evaluates: Whether dev is scored after each epoch.
        find_unused_parameters: Whether a batch may leave parameters without gradients, such as a batch without images.
    """
    every_epoch = IntervalStrategy.EPOCH
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=train.epochs,
        per_device_train_batch_size=train.batch_size,
        gradient_accumulation_steps=train.gradient_accumulation_steps,
        learning_rate=train.lr,
        max_grad_norm=train.max_grad_norm,
        bf16=uses_bf16(train),
        seed=train.seed,
        eval_strategy=every_epoch if evaluates else IntervalStrategy.NO,
        eval_delay=train.first_eval_epoch if evaluates else 0,
        save_strategy=every_epoch,
        save_total_limit=2,  # the last and the best; with 1 the last would be deleted before dev is scored
        load_best_model_at_end=evaluates,
        metric_for_best_model="f1" if evaluates else None,
        greater_is_better=True if evaluates else None,
        restore_callback_states_from_checkpoint=True,
        logging_strategy=every_epoch,
        report_to=[],
        remove_unused_columns=False,
        logging_nan_inf_filter=False,  # it would synchronize with the GPU in every step
        dataloader_pin_memory=torch.cuda.is_available(),
        accelerator_config={"non_blocking": torch.cuda.is_available()},
        disable_tqdm=True,
        use_cpu=not torch.cuda.is_available(),
        ddp_find_unused_parameters=find_unused_parameters,
    )
    arguments._n_gpu = min(1, arguments.n_gpu)  # one GPU per process, because nn.DataParallel cannot split a Batch
    return arguments


def logging_callbacks(train: TrainSpec, folder: Path) -> list[TrainerCallback]:
    """Return the callbacks that write logs.

    Args:
        train: Settings: `report_to` ("none" or "tensorboard").
        folder: Directory for logs.

    Raises:
        InputError: "no-tensorboard" if TensorBoard is not installed.
    """
    if train.report_to == "none":
        return []
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise InputError("no-tensorboard") from error
    return [TensorBoardCallback(SummaryWriter(str(folder)))]
