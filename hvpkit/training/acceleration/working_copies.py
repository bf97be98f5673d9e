"""bf16 copies of the weights of a captured step.

The copies are cast all at once, and linear layers that share an input are computed as one product.

Autocast casts the weights, and widens their gradients, one at a time. The results are the same, except that the
gradients of an input that several layers share (query, key and value in attention) are summed before they are rounded.

Source: own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from hvpkit.training.acceleration.narrow_gradients import NARROW

Maps = tuple[nn.Linear, ...]  # linear layers that share one input


class WorkingCopies:
    """bf16 copies of the weights of linear layers, allocated at first use."""

    def __init__(self) -> None:
        self._copies: dict[Maps, _Copy] = {}

    def prepare(self, groups: Sequence[Maps]) -> None:
        """Allocate the copies of the weights.

        Args:
            groups: Linear layers; those of a group share one input.
        """
        for maps in groups:
            if maps not in self._copies:
                self._copies[maps] = _Copy(maps)

    @contextmanager
    def in_place(self, groups: Sequence[Maps]) -> Iterator[Callable[[nn.Parameter], Tensor]]:
        """Use current copies of the weights within the block.

        Args:
            groups: Groups of layers that were passed to `prepare`.

        Yields:
            A function that returns the gradient of a parameter.
        """
        blocks = {
            parameter: block
            for maps in groups
            for block in self._copies[maps].blocks.values()
            for parameter in block.rows
        }
        if blocks:
            with torch.no_grad():
                torch._foreach_copy_(
                    [block.rows_of(parameter, block.values) for parameter, block in blocks.items()], [*blocks]
                )

        def gradient_of(parameter: nn.Parameter) -> Tensor:
            block = blocks.get(parameter)
            gradient = parameter.grad if block is None else block.values.grad
            if gradient is None:
                raise RuntimeError(
                    f"a weight of shape {tuple(parameter.shape)} had a gradient before, and has none now"
                )
            return gradient if block is None else block.rows_of(parameter, gradient)

        try:
            for maps in groups:
                self._copies[maps].install()
            yield gradient_of
        finally:
            for maps in groups:
                self._copies[maps].uninstall()


class _Block:
    """A bf16 tensor of stacked weights [sum of out, in] or biases [sum of out]."""

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        self.rows: dict[nn.Parameter, slice] = {}
        end = 0
        for parameter in parameters:
            self.rows[parameter] = slice(end, end := end + len(parameter))
        self.values = parameters[0].new_empty(end, *parameters[0].shape[1:], dtype=NARROW).requires_grad_()

    def rows_of(self, parameter: nn.Parameter, whole: Tensor) -> Tensor:
        """Return a parameter's rows of a tensor of the block's shape."""
        return whole if len(self.rows) == 1 else whole[self.rows[parameter]]


class _Copy:
    """Weights of layers that share an input; the first layer that is called computes the product of all."""

    def __init__(self, maps: Maps) -> None:
        self.maps, self.sizes = maps, [each.out_features for each in maps]
        self.blocks = {
            name: _Block([each.get_parameter(name) for each in maps]) for name, _ in maps[0].named_parameters()
        }
        self._input: tuple[Tensor, int, bool] | None = None
        self._mapped: dict[int, Tensor] = {}

    def install(self) -> None:
        """Replace the weights by the copies."""
        for name, block in self.blocks.items():
            for module, parameter in zip(self.maps, block.rows, strict=True):
                module._parameters[name] = block.rows_of(parameter, block.values)  # type: ignore[assignment]
        if len(self.maps) > 1:
            for index, module in enumerate(self.maps):
                module.forward = partial(self._map, index)  # type: ignore[method-assign]

    def uninstall(self) -> None:
        """Restore the weights and drop all gradients."""
        for name, block in self.blocks.items():
            block.values.grad = None
            for module, parameter in zip(self.maps, block.rows, strict=True):
                module._parameters[name], parameter.grad = parameter, None
        for module in self.maps:
            vars(module).pop("forward", None)
        self._input, self._mapped = None, {}

    def _map(self, index: int, input: Tensor) -> Tensor:
        call = (input, input._version, torch.is_grad_enabled())
        same = self._input is not None and self._input[0] is input and self._input[1:] == call[1:]
        if not same or index not in self._mapped:
            biases = self.blocks["bias"].values if "bias" in self.blocks else None
            mapped = linear(input, self.blocks["weight"].values, biases)
            self._input, self._mapped = call, dict(enumerate(mapped.unsafe_split_with_sizes(self.sizes, dim=-1)))
        return self._mapped.pop(index)


def _is_plain(module: nn.Module) -> TypeGuard[nn.Linear]:
    """Check for a trained `nn.Linear` whose parameters are its weight and bias (not reparametrized)."""
    parameters = dict(module.named_parameters())
    return (
        type(module) is nn.Linear
        and parameters.keys() <= {"weight", "bias"}
        and all(p.requires_grad for p in parameters.values())
    )


@contextmanager
def maps_in_bfloat16(model: nn.Module) -> Iterator[list[Maps]]:
    """Collect the plain linear layers that autocast ran in bf16 at every call and that share no weights.

    Args:
        model: Model that is run within the block.

    Yields:
        A list that is filled when the block ends. Layers that were first called in sequence with the same input form
        one group.
    """
    collected: list[Maps] = []
    in_bf16: dict[nn.Linear, bool] = {}
    groups: list[list[nn.Linear]] = []
    # of the newest group: input, its version, whether gradients are enabled, whether the bias is missing
    last: tuple[Tensor, int, bool, bool] | None = None
    owners = Counter(parameter for module in model.modules() for parameter in module.parameters(recurse=False))

    def observe(module: nn.Linear, args: tuple[Tensor, ...], kwargs: dict[str, Tensor]) -> None:
        nonlocal last
        (input,) = (*args, *kwargs.values())
        kind = input.device.type
        runs_in_bf16 = torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind) == NARROW
        call = (input, input._version, torch.is_grad_enabled(), module.bias is None)
        if module in in_bf16:
            last = None
        elif last is not None and last[0] is input and last[1:] == call[1:]:
            groups[-1].append(module)
        else:
            groups.append([module])
            last = call
        in_bf16[module] = in_bf16.get(module, True) and runs_in_bf16

    eligible = [
        module for module in model.modules() if _is_plain(module) and all(owners[p] == 1 for p in module.parameters())
    ]
    hooks = [module.register_forward_pre_hook(observe, with_kwargs=True) for module in eligible]
    try:
        yield collected
    finally:
        for hook in hooks:
            hook.remove()
        collected += [maps for group in groups if (maps := tuple(module for module in group if in_bf16[module]))]
