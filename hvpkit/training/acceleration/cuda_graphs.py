"""Training steps as CUDA graphs: the kernels of a step are recorded for each shape of a batch, and then started all at once (our own).

A GPU is done with eight tweets in less time than it takes to ask it for every kernel that they need.
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
MAX_GRAPHS = 64  # shapes that are recorded: a recording keeps some megabytes of kernels, activations are shared
MAX_FAILED_CAPTURES = 16  # steps that may turn out not to be recordable before no further one is looked at


@dataclass(frozen=True)
class CapturedStep:
    """A step's kernels: they read `batch`, which lies in `block`, fill the gradients of `reached`, and write the loss and their norm."""

    batch: Batch
    block: Tensor
    graph: torch.cuda.CUDAGraph
    loss: Tensor
    norm: Tensor
    used_parameters: Sequence[nn.Parameter]

    def replay(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Give loss and norm for a batch of the same shapes."""
        block = batch.storage()
        pairs = zip(self.batch.tensors(), batch.tensors(), strict=True) if block is None else [(self.block, block)]
        for own, other in pairs:
            own.copy_(other, non_blocking=True)
        self.graph.replay()
        return self.loss.clone(), self.norm.clone()


@dataclass
class ProbeResult:
    """What a step as usual showed: which parameters it gives gradients to, which maps it does in bfloat16, whether it can be recorded.

    One that waits for the GPU or draws random numbers elsewhere cannot: a recording would repeat what came out once.
    """

    used_parameters: Sequence[nn.Parameter] = ()
    narrow: Sequence[Maps] = ()
    recordable: bool = False


class CudaGraphRunner:
    """Does the steps of a model on a GPU; a shape of batch is looked at when it is met first, and recorded when it comes again."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.recordings: dict[Shapes, CapturedStep] = {}
        self._gradients = {p: torch.zeros_like(p) for p in model.parameters() if p.requires_grad}  # all steps fill these
        self._copies = WorkingCopies()
        self._block = torch.empty(0, dtype=torch.uint8, device=next(model.parameters()).device)  # recordings read their batches here
        self._seen: dict[Shapes, ProbeResult] = {}
        self._pool = torch.cuda.graph_pool_handle()
        self._chances = MAX_FAILED_CAPTURES
        self._told: dict[Any, int] = {}

    @property
    def is_disabled(self) -> bool:
        """Say whether nothing is recorded and nothing will be."""
        return not self._chances and not self.recordings

    def step(self, batch: Batch, step: Step) -> tuple[Tensor, Tensor]:
        """Let `step` give the loss of a batch on the GPU, and fill gradients anew; give it, and their norm.

        Raises InputError when a step cannot be recorded although it seemed so.
        """
        shapes = tuple((tensor.shape, tensor.dtype) for tensor in batch.tensors())
        if shapes in self._seen and self._chances:
            self.recordings[shapes] = self._record(batch, step, self._seen.pop(shapes))
            self._chances = 0 if len(self.recordings) == MAX_GRAPHS else self._chances
        if shapes not in self.recordings:
            return self._first(batch, step, shapes) if self._chances else self._as_usual(batch, step)
        recording = self.recordings[shapes]
        self._lay_out(recording.used_parameters)
        return recording.replay(batch)

    def forget(self, set_to_none: bool = True) -> None:
        """Take the gradients away, as `nn.Module.zero_grad` does."""
        self._lay_out(())

    def _first(self, batch: Batch, step: Step, shapes: Shapes) -> tuple[Tensor, Tensor]:
        """Try a step; one that can be recorded is undone, and done as a recording does it, so that all steps of a shape are the same."""
        before = _Before(self.model)
        with watched(self.model, self._told) as seen:
            loss, norm = self._as_usual(batch, step, seen)
        if not seen.recordable:
            self._chances -= 1
            return loss, norm
        self._seen[shapes] = seen
        before.put_back()
        with _refusals():
            try:
                loss, norm = self._as_recorded(batch, step, seen)
            except RuntimeError as error:
                if isinstance(error, torch.OutOfMemoryError) or all(len(maps) == 1 for maps in seen.narrow):
                    raise
                before.put_back()  # what one product gives several maps lies apart, which not every model takes
                seen.narrow = [(each,) for maps in seen.narrow for each in maps]
                loss, norm = self._as_recorded(batch, step, seen)
        self._lay_out(seen.used_parameters)
        return loss, norm

    def _as_usual(self, batch: Batch, step: Step, seen: ProbeResult | None = None) -> tuple[Tensor, Tensor]:
        self._lay_out(self._gradients)
        torch._foreach_zero_([*self._gradients.values()])
        with _reached(self._gradients) as reached:
            loss = step(batch)
        self._lay_out(reached)
        if seen is not None:
            seen.used_parameters = reached
        return loss, get_total_norm([self._gradients[parameter] for parameter in reached])

    def _as_recorded(self, batch: Batch, step: Step, seen: ProbeResult) -> tuple[Tensor, Tensor]:
        self._copies.prepare(seen.narrow)
        self.forget()
        with self._copies.in_place(seen.narrow) as gradient_of:
            loss = step(batch)
            pairs = [(self._gradients[parameter], gradient_of(parameter)) for parameter in seen.used_parameters]
            for dtype in {given.dtype for _, given in pairs}:  # where they differ, torch goes from tensor to tensor
                alike = [pair for pair in pairs if pair[1].dtype == dtype]
                torch._foreach_copy_([own for own, _ in alike], [given for _, given in alike])
            return loss, get_total_norm([own for own, _ in pairs])

    def _record(self, batch: Batch, step: Step, seen: ProbeResult) -> CapturedStep:
        ours, graph = batch.consolidate(self._room), torch.cuda.CUDAGraph()
        with _refusals(), torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            loss, norm = self._as_recorded(ours, step, seen)
        return CapturedStep(ours, self._block[: batch.storage_size()], graph, loss, norm, seen.used_parameters)

    def _room(self, size: int) -> Tensor:
        if size > len(self._block):
            self._block = self._block.new_empty(size)
        return self._block[:size]

    def _lay_out(self, reached: Iterable[nn.Parameter]) -> None:
        """Let these parameters have gradients, and no others."""
        for parameter in self._gradients:
            parameter.grad = None
        for parameter in reached:
            parameter.grad = self._gradients[parameter]


@contextmanager
def _refusals() -> Iterator[None]:
    """Say what to do when a step that seemed to be recordable is not."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:  # torch may be left unable to draw random numbers
        if isinstance(error.__context__, torch.OutOfMemoryError):  # the recording could then not be ended either
            raise error.__context__ from error
        raise InputError("cuda-graph-failed", reason=str(error)) from error


class _Before:
    """What a step changes but for gradients: buffers, and the random numbers that the GPU draws next."""

    def __init__(self, model: nn.Module) -> None:
        self._buffers = {buffer: buffer.clone() for buffer in model.buffers()}
        self._device = next(model.parameters()).device
        self._drawn = torch.cuda.get_rng_state(self._device)

    @torch.no_grad()
    def put_back(self) -> None:
        for buffer, numbers in self._buffers.items():
            buffer.copy_(numbers)
        torch.cuda.set_rng_state(self._drawn, self._device)


@contextmanager
def _reached(parameters: Iterable[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    """Collect the parameters that a backward pass within the block gives gradients to."""
    found: list[nn.Parameter] = []
    hooks = [parameter.register_post_accumulate_grad_hook(found.append) for parameter in parameters]  # type: ignore[no-untyped-call]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def watched(model: nn.Module, told: dict[Any, int]) -> Iterator[ProbeResult]:
    """Find out about the step within the block, all but what it reaches; `told` remembers which warnings were passed on."""
    seen, drawn, mode = ProbeResult(), _random_states(), torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings(record=True) as heard, maps_in_bfloat16(model) as narrow:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", "Synchronization debug mode is a prototype")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield seen
        finally:
            torch.cuda.set_sync_debug_mode(mode)
    waits = [each for each in heard if "called a synchronizing CUDA operation" in str(each.message)]
    seen.narrow, seen.recordable = narrow, not waits and drawn == _random_states()
    for other in heard:
        if other not in waits:
            warnings.warn_explicit(other.message, other.category, other.filename, other.lineno, registry=told)


def _random_states() -> bytes:
    """Give the states of all that draws random numbers, but for the GPU's."""
    return pickle.dumps((random.getstate(), numpy.random.get_state(), torch.get_rng_state().numpy().tobytes()))
