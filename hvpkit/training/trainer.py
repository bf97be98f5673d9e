"""Subclass of transformers.Trainer with hvpkit's batches, parameter groups, sampler and dev scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import Sampler
from transformers import Trainer

from hvpkit.config.recipe import TrainSpec
from hvpkit.evaluation.metrics import Scores
from hvpkit.interfaces import Batch
from hvpkit.training.acceleration.accelerated import TrainStep
from hvpkit.training.optimizer import build_optimizer, build_schedule
from hvpkit.training.parameter_groups import ParameterGroup


class MultimodalTrainer(Trainer):
    """Train a Model.

    Args:
        settings: Training settings of the recipe.
        groups: Parameter groups of the optimizer.
        sampler: Sampler of the training set.
        step: Runs forward and backward of a batch.
        score_dev: Function that returns the dev scores, by which the best epoch is chosen; None keeps the last epoch.
        **kwargs: Arguments of transformers.Trainer. The data collator returns {"batch": Batch}.
    """

    def __init__(
        self,
        *,
        settings: TrainSpec,
        groups: list[ParameterGroup],
        sampler: Sampler[int],
        step: TrainStep,
        score_dev: Callable[[], Scores | None] | None,
        **kwargs: Any,  # noqa: ANN401 - the library's arguments
    ) -> None:
        self.settings, self.groups, self.sampler, self.step, self.score_dev = settings, groups, sampler, step, score_dev
        super().__init__(**kwargs)

    def _get_train_sampler(self, train_dataset: object = None) -> Sampler[int]:
        return self.sampler

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
        """Run forward and backward of a batch, in an accelerated step."""
        run = super().training_step

        def plain_step(batch: Batch) -> Tensor:
            return run(model, {"batch": batch}, num_items_in_batch)

        return self.step(plain_step, self._prepare_inputs(inputs)["batch"])  # type: ignore[arg-type]

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Build the optimizer of the recipe."""
        if self.optimizer is None:
            self.optimizer = build_optimizer(self.groups, self.settings)
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None) -> LRScheduler:
        """Build the learning rate schedule of the recipe."""
        if self.lr_scheduler is None:
            self.lr_scheduler = build_schedule(optimizer or self.create_optimizer(), self.settings, num_training_steps)
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def evaluate(self, *args: object, **kwargs: object) -> dict[str, float]:
        """Score dev; every process scores all of it, so that all choose the same best epoch."""
        scores = self.score_dev() if self.score_dev else None
        metrics = {} if scores is None else _trainer_metrics(scores)
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


def _num_examples(inputs: dict[str, Any]) -> int:
    return len(inputs["batch"].text.mask)


def _trainer_metrics(scores: Scores) -> dict[str, float]:
    overall = scores.overall
    return {"eval_precision": overall.precision, "eval_recall": overall.recall, "eval_f1": overall.f1}
