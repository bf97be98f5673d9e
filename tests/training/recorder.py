"""Replacement of CUDA graphs on a CPU: records the operations of a capture and repeats them on the same memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Operations(TorchDispatchMode):
    """Operations of the block, forward and backward."""

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
                continue  # a view of memory that stays in place
            results = function(*args, **kwargs)
            if not function._schema.is_mutable:
                for own, result in zip(tree_leaves(out), tree_leaves(results), strict=True):
                    if isinstance(own, Tensor):
                        own.copy_(result)


class Graph:
    """A captured graph."""

    def replay(self) -> None:
        self.operations.again()


@contextmanager
def record(graph: Graph, pool: object, capture_error_mode: str) -> Iterator[None]:
    """Record the operations of the block; unlike with CUDA, they run as well.

    A captured step sets gradients to zero first, so that the replay that follows has the same result.
    """
    with Operations() as operations:
        yield
    graph.operations = operations


def replace_cuda_graphs(patch: pytest.MonkeyPatch) -> None:
    """Replace CUDA graphs by recorded operations."""
    patch.setattr(torch.cuda, "CUDAGraph", Graph)
    patch.setattr(torch.cuda, "graph", record)
    patch.setattr(torch.cuda, "graph_pool_handle", lambda: None)
