"""Subclass of transformers.Trainer with hvpkit's batches, parameter groups, sampler and dev scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import Sampler
from transformers import (
    EarlyStoppingCallback,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerState,
    TrainingArguments,
)
from transformers.integrations.integration_utils import TensorBoardCallback
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import IntervalStrategy, set_seed

from hvpkit.batching import Batcher, EncodedDataset, LengthSampler, exact_length, round_up_to_8
from hvpkit.config.recipe import Recipe, TrainSpec
from hvpkit.errors import HvpkitError, InputError
from hvpkit.evaluation.metrics import Scores
from hvpkit.model.model import Model
from hvpkit.model.text.partial_embedding import follow_decay
from hvpkit.training.acceleration.cpu import onednn_matmul
from hvpkit.training.acceleration.cuda_graphs import CudaGraphRunner
from hvpkit.training.acceleration.narrow_gradients import is_large_on_cpu, norm_of_rows
from hvpkit.training.optimizer import build_optimizer, build_schedule
from hvpkit.training.parameter_groups import parameter_groups
from hvpkit.types import Example

CLIP_EPS = 1e-6  # added to the norm, as in torch's clip_grad_norm_


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
            state.best_model_checkpoint = str(Path(args.output_dir or "") / f"checkpoint-{state.best_global_step}")


class MultimodalTrainer(Trainer):
    """Train a Model.

    Args:
        model: Model to train.
        recipe: Recipe of the model.
        batcher: Builds batches.
        train: Encoded training set.
        dev: Dev examples.
        arguments: Training arguments.
        score_dev: Function that returns the dev scores, by which the best epoch is chosen; None keeps the last epoch.
        callbacks: Further callbacks.
    """

    # context manager in which each training step runs
    step_context: Callable[[], AbstractContextManager[None]] = staticmethod(onednn_matmul)

    def __init__(
        self,
        model: Model,
        recipe: Recipe,
        batcher: Batcher,
        train: EncodedDataset,
        dev: Sequence[Example],
        arguments: TrainingArguments,
        score_dev: Callable[[], Scores] | None,
        callbacks: list[TrainerCallback],
    ) -> None:
        self.hvp_model = model
        self.recipe, self.score_dev, self.groups = recipe, score_dev, parameter_groups(model, recipe.train)
        self.sampler = LengthSampler(
            train.lengths, recipe.train.batch_size * recipe.train.gradient_accumulation_steps, recipe.train.seed
        )
        rounded_lengths = round_up_to_8(max(train.lengths))
        super().__init__(
            model=model,
            args=arguments,
            train_dataset=train,
            eval_dataset=dev,
            data_collator=lambda items: {
                "batch": batcher.collate(items, rounded_lengths if self.graphs else exact_length)
            },
            callbacks=[SetSamplerEpoch(self.sampler), StopOnNaN(), RestoreBestCheckpoint(), *callbacks],
        )
        set_seed(arguments.seed + arguments.process_index)  # each process has its own dropout masks
        self.trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        single_batch_steps = (
            arguments.device.type == "cuda" and arguments.world_size == arguments.gradient_accumulation_steps == 1
        )
        self.graphs = CudaGraphRunner(model) if single_batch_steps and recipe.train.cuda_graphs else None
        self.remove_callback(PrinterCallback)  # TrainingCallbacks report instead
        if score_dev is not None and recipe.train.patience is not None:
            self.add_callback(EarlyStoppingCallback(recipe.train.patience))

    def train(self, resume_from_checkpoint: str | bool | None = None, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Train, and release captured steps at the end.

        Raises:
            InputError: "out-of-gpu-memory" or "out-of-gpu-memory-with-graphs" if the GPU memory is too small.
        """
        if isinstance(resume_from_checkpoint, str):
            self.args.num_train_epochs = _total_epochs(Path(resume_from_checkpoint), self.recipe.train)
        try:
            return super().train(resume_from_checkpoint, *args, **kwargs)
        except torch.OutOfMemoryError as error:
            if self.graphs:
                raise InputError("out-of-gpu-memory-with-graphs", reason=str(error)) from error
            raise InputError("out-of-gpu-memory", reason=str(error)) from error
        finally:
            self._stop_capturing()

    def _stop_capturing(self) -> None:
        vars(self.hvp_model).pop("zero_grad", None)
        self.graphs = None

    def _get_train_sampler(self, train_dataset: object = None) -> Sampler[int]:
        return self.sampler

    def get_eval_dataloader(self, eval_dataset: object = None) -> Any:  # noqa: ANN401
        """Raise NotImplementedError: dev is scored by `score_dev`."""
        raise NotImplementedError

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,  # noqa: ANN401
    ) -> Tensor:
        """Compute the mean loss of a batch.

        With gradient accumulation, each batch is weighted by its number of examples, as the last batch may be smaller.
        """
        loss: Tensor | None = model(inputs["batch"]).loss
        if loss is None:
            raise ValueError("The training batch has no targets.")
        batches: int = self.current_gradient_accumulation_steps  # transformers divides the loss by this
        return loss if batches == 1 else loss * (_num_examples(inputs) * batches / num_items_in_batch)

    def _get_num_items_in_batch(self, batch_samples: list[dict[str, Any]], device: torch.device) -> int:
        return sum(map(_num_examples, batch_samples))

    def training_step(
        self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """Run forward and backward; on a GPU by replaying a CUDA graph where one was captured."""
        run_step = super().training_step
        if self.graphs is not None and self.graphs.is_disabled:
            self._stop_capturing()
        with self.step_context():
            if self.graphs is None:
                return run_step(model, inputs, num_items_in_batch)
            batch: Any = self._prepare_inputs(inputs)["batch"]
            # nn.Module.zero_grad would visit all modules
            model.zero_grad = self.graphs.zero_grad  # type: ignore[method-assign]
            loss, self._norm = self.graphs.step(batch, lambda batch: run_step(model, {"batch": batch}))
            return loss

    def _gradient_norm(self) -> Tensor:
        gradients = [parameter.grad for parameter in self.trained if parameter.grad is not None]
        return get_total_norm(
            [norm_of_rows(gradient) if is_large_on_cpu(gradient) else gradient for gradient in gradients]
        )

    def _clip_grad_norm(self, model: nn.Module) -> Tensor:
        """Return the norm of the gradients; a fused optimizer clips them during its update to save a pass."""
        fused: Any = getattr(self.optimizer, "optimizer", self.optimizer)
        if not fused.defaults["fused"]:
            return super()._clip_grad_norm(model)  # type: ignore[no-any-return, no-untyped-call]
        norm = self._gradient_norm() if self.graphs is None else self._norm
        fused.grad_scale = ((norm + CLIP_EPS) / self.args.max_grad_norm).clamp(min=1.0)
        return norm

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Build the optimizer of the recipe."""
        if self.optimizer is None:
            self.optimizer = build_optimizer(self.groups, self.recipe.train)
            follow_decay(self.hvp_model, self.optimizer)
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None) -> LRScheduler:
        """Build the learning rate schedule of the recipe."""
        if self.lr_scheduler is None:
            self.lr_scheduler = build_schedule(
                optimizer or self.create_optimizer(), self.recipe.train, num_training_steps
            )
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def evaluate(self, *args: object, **kwargs: object) -> dict[str, float]:
        """Score dev; every process scores all of it, so that all choose the same best epoch."""
        scores = self.score_dev().overall if self.score_dev else None
        metrics = (
            {}
            if scores is None
            else {"eval_precision": scores.precision, "eval_recall": scores.recall, "eval_f1": scores.f1}
        )
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


def _num_examples(inputs: dict[str, Any]) -> int:
    return len(inputs["batch"].text.mask)


def _total_epochs(checkpoint: Path, train: TrainSpec) -> int:
    """Return the total epochs of a resumed run: the finished ones if early stopping had ended it."""
    state = TrainerState.load_from_json(str(checkpoint / TRAINER_STATE_NAME))
    early_stopping: Any = state.stateful_callbacks.get("EarlyStoppingCallback", {})
    epochs_without_improvement = early_stopping.get("attributes", {}).get("early_stopping_patience_counter", 0)
    return (
        round(state.epoch or 0)
        if train.patience is not None and epochs_without_improvement >= train.patience
        else train.epochs
    )


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


def uses_bf16(train: TrainSpec) -> bool:
    """Check whether to train in bf16; "auto" uses it on GPUs that support it in hardware."""
    if train.precision == "auto":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    return train.precision == "bf16"
