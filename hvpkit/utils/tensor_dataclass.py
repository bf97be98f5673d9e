"""Dataclasses of tensors that move between devices together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

T = TypeVar("T", bound="TensorDataclass")


class TensorDataclass:
    """Dataclass of tensors that is copied to a device or into page-locked memory as a whole."""

    def tensors(self) -> list[Tensor]:
        """List all tensors, nested ones too, in a fixed order."""
        tensors: list[Tensor] = []
        self.map_tensors(lambda tensor: tensors.append(tensor) or tensor)  # type: ignore[func-returns-value]
        return tensors

    def to(self: T, device: torch.device | str, non_blocking: bool = False) -> T:
        """Copy all tensors to a device."""
        return self.map_tensors(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self: T) -> T:
        """Copy all tensors to page-locked memory, which a GPU reads while it computes; called by data loaders."""
        return self.map_tensors(lambda tensor: tensor.pin_memory())

    def map_tensors(self: T, function: Callable[[Tensor], Tensor]) -> T:
        """Return a copy in which every tensor is replaced by `function(tensor)`."""
        moved = {f.name: _map_value(getattr(self, f.name), function) for f in fields(self)}  # type: ignore[arg-type]
        return replace(self, **moved)  # type: ignore[type-var]


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
