"""Dataclasses of tensors in one storage: a GPU copies one large block faster than a dozen small ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from itertools import accumulate
from typing import Any, TypeVar

import torch
from torch import Tensor

T = TypeVar("T", bound="TensorDataclass")
ALIGNMENT = 64  # bytes; each tensor starts at a multiple


class TensorDataclass:
    """Dataclass of tensors that is copied to a device or into page-locked memory as one block."""

    def tensors(self) -> list[Tensor]:
        """List all tensors, nested ones too, in a fixed order."""
        tensors: list[Tensor] = []
        self.map_tensors(lambda tensor: tensors.append(tensor) or tensor)  # type: ignore[func-returns-value]
        return tensors

    def to(self: T, device: torch.device | str, non_blocking: bool = False) -> T:
        """Copy all tensors to a device."""
        block = self.storage()
        if block is None:
            return self.map_tensors(lambda tensor: tensor.to(device, non_blocking=non_blocking))
        return self._views_into(block.to(device, non_blocking=non_blocking))

    def pin_memory(self: T) -> T:
        """Copy all tensors to one block of page-locked memory; called by data loaders.

        A GPU reads page-locked memory while it computes.
        """
        return self.consolidate(lambda size: torch.empty(size, dtype=torch.uint8, pin_memory=True))

    def consolidate(self: T, new_block: Callable[[int], Tensor]) -> T:
        """Copy all tensors into one storage.

        Args:
            new_block: Allocates a uint8 tensor of a number of bytes.
        """
        tensors = self.tensors()
        moved = self._views_into(new_block(_offsets(tensors)[-1]))
        for target, source in zip(moved.tensors(), tensors, strict=True):
            target.copy_(source)
        return moved

    def storage_size(self) -> int:
        """Return the number of bytes that `consolidate` allocates."""
        return _offsets(self.tensors())[-1]

    def storage(self) -> Tensor | None:
        """Return the storage that `consolidate` created, as uint8; None if tensors have separate storages."""
        tensors = self.tensors()
        offsets, storages = _offsets(tensors), [tensor.untyped_storage() for tensor in tensors]
        shared = len({storage._cdata for storage in storages}) == 1 and storages[0].nbytes() == offsets[-1]
        is_packed = shared and all(tensor.is_contiguous() for tensor in tensors)
        if not is_packed or [tensor.storage_offset() * tensor.itemsize for tensor in tensors] != offsets[:-1]:
            return None
        return torch.empty(0, dtype=torch.uint8, device=tensors[0].device).set_(storages[0])

    def map_tensors(self: T, function: Callable[[Tensor], Tensor]) -> T:
        """Return a copy in which every tensor is replaced by `function(tensor)`."""
        moved = {f.name: _map_value(getattr(self, f.name), function) for f in fields(self)}  # type: ignore[arg-type]
        return replace(self, **moved)  # type: ignore[type-var]

    def _views_into(self: T, block: Tensor) -> T:
        """Return views into `block` with the shapes and dtypes of the tensors."""
        offsets = iter(_offsets(self.tensors()))

        def to_view(tensor: Tensor) -> Tensor:
            start = next(offsets)
            return block[start : start + tensor.nbytes].view(tensor.dtype).view(tensor.shape)

        return self.map_tensors(to_view)


def _offsets(tensors: Sequence[Tensor]) -> list[int]:
    """Return the offset of each tensor in a storage, then the size of the storage, in bytes."""
    return [0, *accumulate(-(-tensor.nbytes // ALIGNMENT) * ALIGNMENT for tensor in tensors)]


def _map_value(value: Any, function: Callable[[Tensor], Tensor]) -> Any:  # noqa: ANN401 - any field of a dataclass
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, TensorDataclass):
        return value.map_tensors(function)
    if isinstance(value, dict):
        return {key: _map_value(item, function) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(_map_value(item, function) for item in value)
    return value
