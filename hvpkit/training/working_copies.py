"""The bfloat16 weights of a recorded step, made all at once (our own).

Autocast makes them one by one, and widens their gradients one by one. The same numbers come out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeGuard

import torch
from torch import Tensor, nn

from hvpkit.training.narrow_gradients import NARROW


class WorkingCopies:
    """Copies of the weights of linear maps, made when they are first wanted."""

    def __init__(self) -> None:
        self._copies: dict[nn.Parameter, nn.Parameter] = {}

    def prepare(self, maps: Sequence[nn.Linear]) -> None:
        """Make room for copies of the weights that learn."""
        for _, _, parameter in _weights(maps):
            self._copies.setdefault(parameter, nn.Parameter(torch.empty_like(parameter, dtype=NARROW)))

    @contextmanager
    def in_place(self, maps: Sequence[nn.Linear]) -> Iterator[Callable[[nn.Parameter], Tensor]]:
        """Compute with fresh copies of these maps' weights, which `prepare` has seen; gives what tells a parameter's gradient."""
        weights = _weights(maps)
        copies = {parameter: self._copies[parameter] for _, _, parameter in weights}
        if copies:
            with torch.no_grad():
                torch._foreach_copy_([*copies.values()], [*copies])
        for module, name, parameter in weights:
            module._parameters[name] = copies[parameter]

        def gradient_of(parameter: nn.Parameter) -> Tensor:
            gradient = copies.get(parameter, parameter).grad
            if gradient is None:
                raise RuntimeError(f"a weight of shape {tuple(parameter.shape)} had a gradient before, and has none now")
            return gradient

        try:
            yield gradient_of
        finally:
            for module, name, parameter in weights:
                module._parameters[name] = parameter
                parameter.grad = copies[parameter].grad = None


def _weights(maps: Sequence[nn.Linear]) -> list[tuple[nn.Linear, str, nn.Parameter]]:
    return [(module, name, p) for module in maps for name, p in module.named_parameters(recurse=False) if p.requires_grad]


def _is_plain(module: nn.Module) -> TypeGuard[nn.Linear]:
    """Tell a linear map whose parameters are its weight and bias, and not what they are made of."""
    return type(module) is nn.Linear and {name for name, _ in module.named_parameters()} <= {"weight", "bias"}


@contextmanager
def maps_in_bfloat16(model: nn.Module) -> Iterator[list[nn.Linear]]:
    """Collect, at the block's end, the plain linear maps that autocast did in bfloat16 at each call, and that share no weights."""
    found: list[nn.Linear] = []
    narrow: dict[nn.Module, bool] = {}
    owners = Counter(parameter for module in model.modules() for parameter in module.parameters(recurse=False))

    def hear(module: nn.Module, given: tuple[Tensor, ...], named: dict[str, Tensor]) -> None:
        kind = (*given, *named.values())[0].device.type
        is_narrow = torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind) == NARROW
        narrow[module] = narrow.get(module, True) and is_narrow

    own = [module for module in model.modules() if _is_plain(module) and all(owners[p] == 1 for p in module.parameters())]
    hooks = [module.register_forward_pre_hook(hear, with_kwargs=True) for module in own]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()
        found += [module for module in own if narrow.get(module)]
