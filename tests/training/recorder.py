"""Stands for CUDA graphs on a CPU: remembers the operations of a recording, and does them again on the same memory."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Operations(TorchDispatchMode):
    """What was done while it was on, forward and backward."""

    def __init__(self) -> None:
        super().__init__()
        self.done = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        self.done.append((function, args, kwargs or {}, out))
        return out

    @torch.no_grad()
    def again(self) -> None:
        for function, args, kwargs, out in self.done:
            if (
                any(result.alias_info is not None for result in function._schema.returns)
                and not function._schema.is_mutable
            ):
                continue  # a view, of memory that stays where it is
            results = function(*args, **kwargs)
            if not function._schema.is_mutable:
                for own, result in zip(tree_leaves(out), tree_leaves(results), strict=True):
                    if isinstance(own, Tensor):
                        own.copy_(result)


class Waits(TorchDispatchMode):
    """Warns as torch does where a GPU would be waited for."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function is torch.ops.aten._local_scalar_dense.default:
            warnings.warn("called a synchronizing CUDA operation", stacklevel=1)
        return function(*args, **(kwargs or {}))


class Graph:
    """A recording."""

    def replay(self) -> None:
        self.operations.again()


@contextmanager
def record(graph: Graph, pool: object, capture_error_mode: str) -> Iterator[None]:
    with Operations() as operations:
        yield
    graph.operations = operations


def stand_for_cuda(patch: pytest.MonkeyPatch) -> None:
    """Let what asks for CUDA graphs have these."""
    watching = []

    def watch(mode: int | str) -> None:
        if mode == "warn":
            watching.append(Waits())
            watching[-1].__enter__()
        elif watching:
            watching.pop().__exit__(None, None, None)

    patch.setattr(torch.cuda, "CUDAGraph", Graph)
    patch.setattr(torch.cuda, "graph", record)
    patch.setattr(torch.cuda, "graph_pool_handle", lambda: None)
    patch.setattr(torch.cuda, "get_rng_state", lambda device: None)
    patch.setattr(torch.cuda, "set_rng_state", lambda state, device: None)
    patch.setattr(torch.cuda, "get_sync_debug_mode", lambda: 0)
    patch.setattr(torch.cuda, "set_sync_debug_mode", watch)
