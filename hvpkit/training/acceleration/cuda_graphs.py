"""Training steps as CUDA graphs, one for each batch shape.

For small batches, launching every kernel takes longer than the GPU needs to run it.

Source: own.
"""

from __future__ import annotations

import pickle
import random
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy
import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from hvpkit.errors import InputError
from hvpkit.interfaces import Batch
from hvpkit.training.acceleration.working_copies import Maps, WorkingCopies, maps_in_bfloat16

Step = Callable[[Batch], Tensor]
Shapes = tuple[tuple[torch.Size, torch.dtype], ...]
MAX_GRAPHS = 64  # batch shapes; a graph takes a few megabytes for its kernels, all graphs share activations
MAX_FAILED_CAPTURES = 16  # after that many steps that cannot be captured, no further step is probed


@dataclass(frozen=True)
class CapturedStep:
    """A captured training step.

    Attributes:
        batch: Tensors that the kernels read.
        block: Storage that contains all tensors of the batch.
        graph: Kernels of the step.
        loss: Scalar that the kernels write.
        norm: Scalar norm of the gradients that the kernels write.
        used_parameters: Parameters whose gradients the kernels write.
    """

    batch: Batch
    block: Tensor
    graph: torch.cuda.CUDAGraph
    loss: Tensor
    norm: Tensor
    used_parameters: Sequence[nn.Parameter]

    def replay(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Run the step on a batch of the same shapes.

        Returns:
            Loss and norm of the gradients.
        """
        block = batch.storage()
        pairs = zip(self.batch.tensors(), batch.tensors(), strict=True) if block is None else [(self.block, block)]
        for target, source in pairs:
            target.copy_(source, non_blocking=True)
        self.graph.replay()
        return self.loss.clone(), self.norm.clone()


@dataclass
class ProbeResult:
    """Observations of one eager step.

    Attributes:
        used_parameters: Parameters that got gradients.
        bf16_groups: Groups of linear layers that ran in bf16.
        can_capture: Whether the step can be captured. A step that synchronizes with the GPU or draws random numbers
            on the CPU cannot: a replay would repeat the values of the capture.
    """

    used_parameters: Sequence[nn.Parameter] = ()
    bf16_groups: Sequence[Maps] = ()
    can_capture: bool = False


class CudaGraphRunner:
    """Run training steps of a model on a GPU, as CUDA graphs where possible.

    A batch shape is probed when it first occurs, and captured when it occurs again.

    Args:
        model: Model on a GPU.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.captured_steps: dict[Shapes, CapturedStep] = {}
        self._gradients = {p: torch.zeros_like(p) for p in model.parameters() if p.requires_grad}  # shared by all steps
        self._copies = WorkingCopies()
        # captured steps read their batches from this storage
        self._block = torch.empty(0, dtype=torch.uint8, device=next(model.parameters()).device)
        self._probes: dict[Shapes, ProbeResult] = {}
        self._pool = torch.cuda.graph_pool_handle()
        self._attempts_left = MAX_FAILED_CAPTURES
        self._shown_warnings: dict[Any, int] = {}

    @property
    def is_disabled(self) -> bool:
        """Whether no step is captured and none will be."""
        return not self._attempts_left and not self.captured_steps

    def step(self, batch: Batch, step: Step) -> tuple[Tensor, Tensor]:
        """Compute the loss of a batch and overwrite the gradients.

        Args:
            batch: Batch on the GPU.
            step: Function that runs forward and backward and returns the loss.

        Returns:
            Loss and norm of the gradients.

        Raises:
            InputError: "cuda-graph-failed" if capturing fails although the probe allowed it.
        """
        shapes = tuple((tensor.shape, tensor.dtype) for tensor in batch.tensors())
        if shapes in self._probes and self._attempts_left:
            self.captured_steps[shapes] = self._capture(batch, step, self._probes.pop(shapes))
            self._attempts_left = 0 if len(self.captured_steps) == MAX_GRAPHS else self._attempts_left
        if shapes not in self.captured_steps:
            return self._probe(batch, step, shapes) if self._attempts_left else self._run_eagerly(batch, step)
        captured = self.captured_steps[shapes]
        self._assign_gradients(captured.used_parameters)
        return captured.replay(batch)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Remove the gradients, like `nn.Module.zero_grad`."""
        self._assign_gradients(())

    def _probe(self, batch: Batch, step: Step, shapes: Shapes) -> tuple[Tensor, Tensor]:
        """Probe a step; if it can be captured, undo it and run it like the graph, so that all steps agree."""
        snapshot = _Snapshot(self.model)
        with _observe_step(self.model, self._shown_warnings) as probe:
            loss, norm = self._run_eagerly(batch, step, probe)
        if not probe.can_capture:
            self._attempts_left -= 1
            return loss, norm
        self._probes[shapes] = probe
        snapshot.restore()
        with _capture_errors():
            try:
                loss, norm = self._run_with_copies(batch, step, probe)
            except RuntimeError as error:
                if isinstance(error, torch.OutOfMemoryError) or all(len(maps) == 1 for maps in probe.bf16_groups):
                    raise
                snapshot.restore()  # grouped layers have non-contiguous outputs, which not every model accepts
                probe.bf16_groups = [(each,) for maps in probe.bf16_groups for each in maps]
                loss, norm = self._run_with_copies(batch, step, probe)
        self._assign_gradients(probe.used_parameters)
        return loss, norm

    def _run_eagerly(self, batch: Batch, step: Step, probe: ProbeResult | None = None) -> tuple[Tensor, Tensor]:
        self._assign_gradients(self._gradients)
        torch._foreach_zero_([*self._gradients.values()])
        with _record_used_parameters(self._gradients) as used:
            loss = step(batch)
        self._assign_gradients(used)
        if probe is not None:
            probe.used_parameters = used
        return loss, get_total_norm([self._gradients[parameter] for parameter in used])

    def _run_with_copies(self, batch: Batch, step: Step, probe: ProbeResult) -> tuple[Tensor, Tensor]:
        self._copies.prepare(probe.bf16_groups)
        self.zero_grad()
        with self._copies.in_place(probe.bf16_groups) as gradient_of:
            loss = step(batch)
            pairs = [(self._gradients[parameter], gradient_of(parameter)) for parameter in probe.used_parameters]
            for dtype in {gradient.dtype for _, gradient in pairs}:  # torch fuses the copies of one dtype only
                same_dtype = [pair for pair in pairs if pair[1].dtype == dtype]
                torch._foreach_copy_([target for target, _ in same_dtype], [gradient for _, gradient in same_dtype])
            return loss, get_total_norm([target for target, _ in pairs])

    def _capture(self, batch: Batch, step: Step, probe: ProbeResult) -> CapturedStep:
        static_batch, graph = batch.consolidate(self._allocate), torch.cuda.CUDAGraph()
        with _capture_errors(), torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            loss, norm = self._run_with_copies(static_batch, step, probe)
        return CapturedStep(static_batch, self._block[: batch.storage_size()], graph, loss, norm, probe.used_parameters)

    def _allocate(self, size: int) -> Tensor:
        if size > len(self._block):
            self._block = self._block.new_empty(size)
        return self._block[:size]

    def _assign_gradients(self, used: Iterable[nn.Parameter]) -> None:
        """Assign gradients to these parameters, and to no others."""
        for parameter in self._gradients:
            parameter.grad = None
        for parameter in used:
            parameter.grad = self._gradients[parameter]


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


class _Snapshot:
    """State that a step changes besides gradients: buffers and the random state of the GPU."""

    def __init__(self, model: nn.Module) -> None:
        self._buffers = {buffer: buffer.clone() for buffer in model.buffers()}
        self._device = next(model.parameters()).device
        self._random_state = torch.cuda.get_rng_state(self._device)

    @torch.no_grad()
    def restore(self) -> None:
        for buffer, values in self._buffers.items():
            buffer.copy_(values)
        torch.cuda.set_rng_state(self._random_state, self._device)


@contextmanager
def _record_used_parameters(parameters: Iterable[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    """Collect the parameters that get gradients from a backward pass within the block."""
    used: list[nn.Parameter] = []
    hooks = [
        parameter.register_post_accumulate_grad_hook(used.append)  # type: ignore[no-untyped-call]
        for parameter in parameters
    ]
    try:
        yield used
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _observe_step(model: nn.Module, shown_warnings: dict[Any, int]) -> Iterator[ProbeResult]:
    """Observe the step that runs within the block, except for the parameters that it uses.

    Args:
        model: Model of the step.
        shown_warnings: Registry of the warnings that were shown already.

    Yields:
        A result that is filled when the block ends.
    """
    probe, random_states, mode = ProbeResult(), _random_states(), torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings(record=True) as caught, maps_in_bfloat16(model) as bf16_groups:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", "Synchronization debug mode is a prototype")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield probe
        finally:
            torch.cuda.set_sync_debug_mode(mode)
    syncs = [each for each in caught if "called a synchronizing CUDA operation" in str(each.message)]
    probe.bf16_groups, probe.can_capture = bf16_groups, not syncs and random_states == _random_states()
    for other in caught:
        if other not in syncs:
            warnings.warn_explicit(other.message, other.category, other.filename, other.lineno, registry=shown_warnings)


def _random_states() -> bytes:
    """Return the states of all random generators except the GPU's."""
    return pickle.dumps((random.getstate(), numpy.random.get_state(), torch.get_rng_state().numpy().tobytes()))
