"""The one entrance to faster training steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from hvpkit.config.recipe import TrainSpec
from hvpkit.interfaces import Batch
from hvpkit.model.model import Model
from hvpkit.training.acceleration.cpu import onednn_matmul, retained_memory
from hvpkit.training.acceleration.cuda_graphs import CudaGraphRunner
from hvpkit.training.distributed import world_size

PlainStep = Callable[[Batch], Tensor]  # runs forward and backward, returns the loss
TrainStep = Callable[[PlainStep, Batch], Tensor]  # runs a plain step on a batch, returns the loss


@contextmanager
def accelerated(model: Model, train: TrainSpec) -> Iterator[TrainStep]:
    """Provide the fastest step for this machine that gives the results of the plain step.

    On a CPU, fp32 matrices are multiplied by oneDNN where that is exact, and freed memory is kept for the next step.
    On a GPU, steps are captured as CUDA graphs if `captures_steps`. Nothing is captured before the first step, when the
    trainer has moved the model to the GPU. All settings are restored when the block ends.

    Args:
        model: Model to train.
        train: Settings: `cuda_graphs`, `gradient_accumulation_steps`.

    Yields:
        A function that takes the plain step and a batch and returns the loss.

    Source: own.
    """
    if torch.cuda.is_available():
        runner = CudaGraphRunner(model) if captures_steps(model, train) else None
        try:
            yield run_plainly if runner is None else runner
        finally:
            if runner is not None:
                runner.release()
    else:
        with retained_memory():
            yield run_with_onednn


def captures_steps(model: Model, train: TrainSpec) -> bool:
    """Check whether steps are captured as CUDA graphs.

    They are captured on a GPU if the recipe allows it, all components are `graph_safe`, and a step has one batch in one
    process.

    Args:
        model: Model to train.
        train: Settings: `cuda_graphs`, `gradient_accumulation_steps`.
    """
    is_single_batch = train.gradient_accumulation_steps == world_size() == 1
    return torch.cuda.is_available() and train.cuda_graphs and is_single_batch and model.graph_safe


def run_plainly(step: PlainStep, batch: Batch) -> Tensor:
    """Run a step without changes."""
    return step(batch)


def run_with_onednn(step: PlainStep, batch: Batch) -> Tensor:
    """Run a step with fp32 products of oneDNN where these are exact."""
    with onednn_matmul():
        return step(batch)
