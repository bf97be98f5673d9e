"""Training steps as CUDA graphs, one for each batch shape.

For small batches, launching every kernel takes longer than the GPU needs to run it.

Source: own, after https://pytorch.org/docs/stable/notes/cuda.html (whole-network capture).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hvpkit.errors import InputError
from hvpkit.interfaces import Batch

Shapes = tuple[tuple[torch.Size, torch.dtype], ...]
Gradients = dict[nn.Parameter, Tensor]
WARMUP_STEPS = 2  # eager steps of a shape before it is captured; libraries choose and load their kernels in them
MAX_GRAPHS = 64  # batch shapes; a graph takes a few megabytes for its kernels, all graphs share activations


@dataclass(frozen=True)
class CapturedStep:
    """A captured training step.

    Attributes:
        batch: Tensors that the kernels read.
        graph: Kernels of the step.
        loss: Scalar that the kernels write.
        gradients: Gradients that the kernels write, by parameter; other parameters get none.
    """

    batch: Batch
    graph: torch.cuda.CUDAGraph
    loss: Tensor
    gradients: Gradients

    def replay(self, batch: Batch) -> Tensor:
        """Run the step on a batch of the same shapes and return the loss."""
        for target, source in zip(self.batch.tensors(), batch.tensors(), strict=True):
            target.copy_(source, non_blocking=True)
        self.graph.replay()
        for parameter, gradient in self.gradients.items():
            parameter.grad = gradient
        return self.loss.clone()


class CudaGraphRunner:
    """Run training steps of a model on a GPU, as CUDA graphs from the third step of a batch shape on.

    Args:
        model: Model on a GPU.
    """

    def __init__(self, model: nn.Module) -> None:
        self.captured_steps: dict[Shapes, CapturedStep] = {}
        self._trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._gradients: Gradients = {}  # shared by all captured steps
        self._used: dict[Shapes, list[nn.Parameter]] = {}  # parameters with gradients, by batch shape
        self._eager_steps: Counter[Shapes] = Counter()
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, step: Callable[[Batch], Tensor], batch: Batch) -> Tensor:
        """Run a step: compute the loss of a batch and the gradients of parameters that have none before.

        Args:
            step: Function that runs forward and backward and returns the loss.
            batch: Batch on the GPU.

        Raises:
            InputError: "cuda-graph-failed" if the step cannot be captured.
        """
        shapes = tuple((tensor.shape, tensor.dtype) for tensor in batch.tensors())
        is_warm = self._eager_steps[shapes] >= WARMUP_STEPS and len(self.captured_steps) < MAX_GRAPHS
        if is_warm and shapes not in self.captured_steps:
            self.captured_steps[shapes] = self._capture(step, batch, self._used[shapes])
        if shapes in self.captured_steps:
            return self.captured_steps[shapes].replay(batch)
        return self._run_eagerly(step, batch, shapes)

    def release(self) -> None:
        """Release all graphs and their memory."""
        self.captured_steps.clear()
        self._gradients.clear()

    def _run_eagerly(self, step: Callable[[Batch], Tensor], batch: Batch, shapes: Shapes) -> Tensor:
        loss = step(batch)
        self._eager_steps[shapes] += 1
        self._used[shapes] = [parameter for parameter in self._trained if parameter.grad is not None]
        for parameter in self._used[shapes]:
            if parameter.grad is not None:
                self._gradients.setdefault(parameter, parameter.grad)
        return loss

    def _capture(self, step: Callable[[Batch], Tensor], batch: Batch, used: list[nn.Parameter]) -> CapturedStep:
        static_batch, graph = batch.map_tensors(torch.clone), torch.cuda.CUDAGraph()
        gradients = {parameter: self._gradients[parameter] for parameter in used}
        for parameter, gradient in gradients.items():
            parameter.grad = gradient
        with _capture_errors(), torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            torch._foreach_zero_([*gradients.values()])
            loss = step(static_batch)  # adds to the gradients in place
        return CapturedStep(static_batch, graph, loss, gradients)


@contextmanager
def _capture_errors() -> Iterator[None]:
    """Raise InputError with advice if a step cannot be captured."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:  # cannot be continued: the random generator may be unusable
        if isinstance(error.__context__, torch.OutOfMemoryError):  # ending the capture failed too
            raise error.__context__ from error
        raise InputError("cuda-graph-failed", reason=str(error)) from error
