"""Dataclasses of tensors that move as one: a GPU fetches one block sooner than a dozen small ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from itertools import accumulate
from typing import Any, TypeVar

import torch
from torch import Tensor

T = TypeVar("T", bound="TensorDataclass")
ALIGNED = 64  # bytes: where a tensor begins in a block


class TensorDataclass:
    """A dataclass of tensors that goes to a device, or into page-locked memory, as one."""

    def tensors(self) -> list[Tensor]:
        """List every tensor within, always in the same order."""
        found: list[Tensor] = []
        self.map_tensors(lambda tensor: found.append(tensor) or tensor)  # type: ignore[func-returns-value]
        return found

    def to(self: T, device: torch.device | str, non_blocking: bool = False) -> T:
        """Copy every tensor within to `device`."""
        block = self.storage()
        if block is None:
            return self.map_tensors(lambda tensor: tensor.to(device, non_blocking=non_blocking))
        return self._within(block.to(device, non_blocking=non_blocking))

    def pin_memory(self: T) -> T:
        """Copy every tensor within to one block of page-locked memory, which a GPU fetches while it computes (data loaders call this)."""
        return self.consolidate(lambda size: torch.empty(size, dtype=torch.uint8, pin_memory=True))

    def consolidate(self: T, new_block: Callable[[int], Tensor]) -> T:
        """Copy every tensor within to one block of bytes, that `new_block` makes of so many."""
        tensors = self.tensors()
        moved = self._within(new_block(_begins(tensors)[-1]))
        for ours, theirs in zip(moved.tensors(), tensors, strict=True):
            ours.copy_(theirs)
        return moved

    def storage_size(self) -> int:
        """Say how many bytes `packed` needs."""
        return _begins(self.tensors())[-1]

    def storage(self) -> Tensor | None:
        """Give the block of bytes that is all that is within, as `packed` lays it out; None where tensors lie apart."""
        tensors = self.tensors()
        begins, storages = _begins(tensors), [tensor.untyped_storage() for tensor in tensors]
        shared = len({storage._cdata for storage in storages}) == 1 and storages[0].nbytes() == begins[-1]
        laid_out = shared and all(tensor.is_contiguous() for tensor in tensors)
        if not laid_out or [tensor.storage_offset() * tensor.itemsize for tensor in tensors] != begins[:-1]:
            return None
        return torch.empty(0, dtype=torch.uint8, device=tensors[0].device).set_(storages[0])

    def map_tensors(self: T, move: Callable[[Tensor], Tensor]) -> T:
        """Put what `move` makes of every tensor within in its place."""
        moved = {f.name: _moved(getattr(self, f.name), move) for f in fields(self)}  # type: ignore[arg-type]
        return replace(self, **moved)  # type: ignore[type-var]

    def _within(self: T, block: Tensor) -> T:
        """Give tensors of the same shapes and kinds in `block`."""
        begins = iter(_begins(self.tensors()))

        def laid(tensor: Tensor) -> Tensor:
            begin = next(begins)
            return block[begin : begin + tensor.nbytes].view(tensor.dtype).view(tensor.shape)

        return self.map_tensors(laid)


def _begins(tensors: Sequence[Tensor]) -> list[int]:
    """Give where each tensor begins in a block, and where the block ends, in bytes."""
    return [0, *accumulate(-(-tensor.nbytes // ALIGNED) * ALIGNED for tensor in tensors)]


def _moved(value: Any, move: Callable[[Tensor], Tensor]) -> Any:  # noqa: ANN401 - any field of a dataclass
    if isinstance(value, Tensor):
        return move(value)
    if isinstance(value, TensorDataclass):
        return value.map_tensors(move)
    if isinstance(value, dict):
        return {key: _moved(item, move) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(_moved(item, move) for item in value)
    return value
