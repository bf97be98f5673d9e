"""transformers.Trainer, with our batches, parameter groups, sampling and dev scores."""

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
from transformers import EarlyStoppingCallback, PrinterCallback, Trainer, TrainerCallback, TrainerState, TrainingArguments
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

CLIP_EPS = 1e-6  # what torch's clip_grad_norm_ adds to the norm


class SetSamplerEpoch(TrainerCallback):
    """Tells the sampler which epoch begins: a wrapped data loader does not always pass it on."""

    def __init__(self, sampler: LengthSampler) -> None:
        self.sampler = sampler

    def on_epoch_begin(self, args: TrainingArguments, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401 - the library's signature
        """Set the epoch."""
        self.sampler.epoch = round(state.epoch or 0)


class StopOnNaN(TrainerCallback):
    """Ends a training whose weights are no numbers any more, before that epoch is scored and kept."""

    def on_epoch_end(self, args: TrainingArguments, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401 - the library's signature
        """Look at the weights; raises HvpkitError."""
        trained = [parameter.detach() for parameter in kwargs["model"].parameters() if parameter.requires_grad]
        if not get_total_norm(trained).isfinite():
            kept = any(Path(args.output_dir or "").glob("checkpoint-*"))
            epoch = round(state.epoch)
            if kept:
                raise HvpkitError("training-diverged-with-checkpoints", epoch=epoch, folder=args.output_dir)
            raise HvpkitError("training-diverged", epoch=epoch)


class RestoreBestCheckpoint(TrainerCallback):
    """Finds the best checkpoint of a run that goes on where it lies now: transformers would do without one that was moved."""

    def on_train_begin(self, args: TrainingArguments, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401 - the library's signature
        """Set its path."""
        if state.best_global_step:
            state.best_model_checkpoint = str(Path(args.output_dir or "") / f"checkpoint-{state.best_global_step}")


class MultimodalTrainer(Trainer):
    """Trains a Model; `score_dev` gives the dev scores that pick the epoch (None: the last one is kept)."""

    products: Callable[[], AbstractContextManager[None]] = staticmethod(onednn_matmul)  # what a step's matrices are multiplied by

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
        self.sampler = LengthSampler(train.lengths, recipe.train.batch_size * recipe.train.gradient_accumulation_steps, recipe.train.seed)
        few = round_up_to_8(max(train.lengths))
        super().__init__(
            model=model,
            args=arguments,
            train_dataset=train,
            eval_dataset=dev,
            data_collator=lambda items: {"batch": batcher.collate(items, few if self.graphs else exact_length)},
            callbacks=[SetSamplerEpoch(self.sampler), StopOnNaN(), RestoreBestCheckpoint(), *callbacks],
        )
        set_seed(arguments.seed + arguments.process_index)  # each process drops numbers of its own
        self.trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        alone = arguments.device.type == "cuda" and arguments.world_size == arguments.gradient_accumulation_steps == 1
        self.graphs = CudaGraphRunner(model) if alone and recipe.train.cuda_graphs else None
        self.remove_callback(PrinterCallback)  # our report speaks instead
        if score_dev is not None and recipe.train.patience is not None:
            self.add_callback(EarlyStoppingCallback(recipe.train.patience))

    def train(self, resume_from_checkpoint: str | bool | None = None, *others: Any, **named: Any) -> Any:  # noqa: ANN401 - the library's signature
        """Train; what was recorded of steps goes when it ends. Raises InputError when the GPU's memory does not suffice."""
        if isinstance(resume_from_checkpoint, str):
            self.args.num_train_epochs = _epochs_to_do(Path(resume_from_checkpoint), self.recipe.train)
        try:
            return super().train(resume_from_checkpoint, *others, **named)
        except torch.OutOfMemoryError as error:
            if self.graphs:
                raise InputError("out-of-gpu-memory-with-graphs", reason=str(error)) from error
            raise InputError("out-of-gpu-memory", reason=str(error)) from error
        finally:
            self._record_no_more()

    def _record_no_more(self) -> None:
        vars(self.hvp_model).pop("zero_grad", None)
        self.graphs = None

    def _get_train_sampler(self, train_dataset: object = None) -> Sampler[int]:
        return self.sampler

    def get_eval_dataloader(self, eval_dataset: object = None) -> Any:  # noqa: ANN401 - the library's signature
        """Refuse: dev is scored by `score_dev`."""
        raise NotImplementedError

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,  # noqa: ANN401 - the library's signature
    ) -> Tensor:
        """Give the batch's mean loss; of several batches of a step each is to count by its examples (a last one may be short)."""
        loss: Tensor | None = model(inputs["batch"]).loss
        if loss is None:
            raise ValueError("a training batch holds no targets")
        batches: int = self.current_gradient_accumulation_steps  # what transformers divides by
        return loss if batches == 1 else loss * (_examples(inputs) * batches / num_items_in_batch)

    def _get_num_items_in_batch(self, batch_samples: list[dict[str, Any]], device: torch.device) -> int:
        return sum(map(_examples, batch_samples))

    def training_step(self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Tensor | int | None = None) -> Tensor:
        """Go forward and backward; on a GPU by a recording, where there is one."""
        plain = super().training_step
        if self.graphs is not None and self.graphs.is_disabled:
            self._record_no_more()
        with self.products():
            if self.graphs is None:
                return plain(model, inputs, num_items_in_batch)
            batch: Any = self._prepare_inputs(inputs)["batch"]
            model.zero_grad = self.graphs.forget  # type: ignore[method-assign]  # nn.Module's own goes through all modules for it
            loss, self._norm = self.graphs.step(batch, lambda batch: plain(model, {"batch": batch}))
            return loss

    def _norm_of_gradients(self) -> Tensor:
        gradients = [parameter.grad for parameter in self.trained if parameter.grad is not None]
        return get_total_norm([norm_of_rows(gradient) if is_large_on_cpu(gradient) else gradient for gradient in gradients])

    def _clip_grad_norm(self, model: nn.Module) -> Tensor:
        """Give the gradients' norm; a fused optimizer clips them as it goes over them, which saves the way there and back."""
        fused: Any = getattr(self.optimizer, "optimizer", self.optimizer)
        if not fused.defaults["fused"]:
            return super()._clip_grad_norm(model)  # type: ignore[no-any-return, no-untyped-call]
        norm = self._norm_of_gradients() if self.graphs is None else self._norm
        fused.grad_scale = ((norm + CLIP_EPS) / self.args.max_grad_norm).clamp(min=1.0)
        return norm

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Make the recipe's optimizer over our parameter groups."""
        if self.optimizer is None:
            self.optimizer = build_optimizer(self.groups, self.recipe.train)
            follow_decay(self.hvp_model, self.optimizer)
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None) -> LRScheduler:
        """Make the recipe's schedule."""
        if self.lr_scheduler is None:
            self.lr_scheduler = build_schedule(optimizer or self.create_optimizer(), self.recipe.train, num_training_steps)
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def evaluate(self, *args: object, **kwargs: object) -> dict[str, float]:
        """Score dev; every process does all of it, so that all see the same best epoch."""
        scores = self.score_dev().overall if self.score_dev else None
        metrics = {} if scores is None else {"eval_precision": scores.precision, "eval_recall": scores.recall, "eval_f1": scores.f1}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


def _examples(inputs: dict[str, Any]) -> int:
    return len(inputs["batch"].text.mask)


def _epochs_to_do(checkpoint: Path, train: TrainSpec) -> int:
    """Give the epochs that a run has in all: those that it has done, where it was out of patience when it wrote its checkpoint."""
    state = TrainerState.load_from_json(str(checkpoint / TRAINER_STATE_NAME))
    waited: Any = state.stateful_callbacks.get("EarlyStoppingCallback", {})
    counted = waited.get("attributes", {}).get("early_stopping_patience_counter", 0)
    return round(state.epoch or 0) if train.patience is not None and counted >= train.patience else train.epochs


def build_training_arguments(train: TrainSpec, folder: Path, *, evaluates: bool, unused: bool) -> TrainingArguments:
    """Translate a recipe; checkpoints go to `folder`, one an epoch.

    `unused` says that a batch may leave parameters without gradients (no images in it).
    """
    epochs = IntervalStrategy.EPOCH
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=train.epochs,
        per_device_train_batch_size=train.batch_size,
        gradient_accumulation_steps=train.gradient_accumulation_steps,
        learning_rate=train.lr,
        max_grad_norm=train.max_grad_norm,
        bf16=uses_bf16(train),
        seed=train.seed,
        eval_strategy=epochs if evaluates else IntervalStrategy.NO,
        eval_delay=train.first_eval_epoch if evaluates else 0,
        save_strategy=epochs,
        save_total_limit=2,  # the last and the best; with 1 the last goes before the run is scored
        load_best_model_at_end=evaluates,
        metric_for_best_model="f1" if evaluates else None,
        greater_is_better=True if evaluates else None,
        restore_callback_states_from_checkpoint=True,
        logging_strategy=epochs,
        report_to=[],
        remove_unused_columns=False,
        logging_nan_inf_filter=False,  # it would wait for the GPU in every step
        dataloader_pin_memory=torch.cuda.is_available(),
        accelerator_config={"non_blocking": torch.cuda.is_available()},
        disable_tqdm=True,
        use_cpu=not torch.cuda.is_available(),
        ddp_find_unused_parameters=unused,
    )
    arguments._n_gpu = min(1, arguments.n_gpu)  # of several, a process uses one: nn.DataParallel cannot divide our batches
    return arguments


def logging_callbacks(train: TrainSpec, folder: Path) -> list[TrainerCallback]:
    """Give what logs to `folder`, if asked; raises InputError when TensorBoard is not installed."""
    if train.report_to == "none":
        return []
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise InputError("no-tensorboard") from error
    return [TensorBoardCallback(SummaryWriter(str(folder)))]


def uses_bf16(train: TrainSpec) -> bool:
    """Decide on bf16: as asked; `auto` means wherever a GPU has it, and does not make do with float32 for it."""
    if train.precision == "auto":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    return train.precision == "bf16"
