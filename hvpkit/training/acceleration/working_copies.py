"""The bfloat16 weights of a recorded step, made all at once; maps of one input, as those of attention, become one product (our own).

Autocast makes the weights one by one, and widens their gradients one by one. The same numbers come out, but that gradients of one input,
where several maps tell it of theirs, are added up before they are rounded.
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

Maps = tuple[nn.Linear, ...]  # of one input


class WorkingCopies:
    """Copies of the weights of linear maps, made when they are first wanted."""

    def __init__(self) -> None:
        self._copies: dict[Maps, _Copy] = {}

    def prepare(self, found: Sequence[Maps]) -> None:
        """Make room for copies of the weights."""
        for maps in found:
            if maps not in self._copies:
                self._copies[maps] = _Copy(maps)

    @contextmanager
    def in_place(self, found: Sequence[Maps]) -> Iterator[Callable[[nn.Parameter], Tensor]]:
        """Compute with fresh copies of these maps' weights, which `prepare` has seen; gives what tells a parameter's gradient."""
        blocks = {parameter: block for maps in found for block in self._copies[maps].blocks.values() for parameter in block.rows}
        if blocks:
            with torch.no_grad():
                torch._foreach_copy_([block.of(parameter, block.numbers) for parameter, block in blocks.items()], [*blocks])

        def gradient_of(parameter: nn.Parameter) -> Tensor:
            block = blocks.get(parameter)
            gradient = parameter.grad if block is None else block.numbers.grad
            if gradient is None:
                raise RuntimeError(f"a weight of shape {tuple(parameter.shape)} had a gradient before, and has none now")
            return gradient if block is None else block.of(parameter, gradient)

        try:
            for maps in found:
                self._copies[maps].put_in_place()
            yield gradient_of
        finally:
            for maps in found:
                self._copies[maps].take_away()


class _Block:
    """Room in bfloat16 for weights [out, in], or biases [out], one below the other."""

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        self.rows: dict[nn.Parameter, slice] = {}
        end = 0
        for parameter in parameters:
            self.rows[parameter] = slice(end, end := end + len(parameter))
        self.numbers = parameters[0].new_empty(end, *parameters[0].shape[1:], dtype=NARROW).requires_grad_()

    def of(self, parameter: nn.Parameter, whole: Tensor) -> Tensor:
        """Give a parameter's rows of a tensor of the block's shape."""
        return whole if len(self.rows) == 1 else whole[self.rows[parameter]]


class _Copy:
    """What stands for the weights of maps of one input; the first map that is called makes the product of all."""

    def __init__(self, maps: Maps) -> None:
        self.maps, self.sizes = maps, [each.out_features for each in maps]
        self.blocks = {name: _Block([each.get_parameter(name) for each in maps]) for name, _ in maps[0].named_parameters()}
        self._input: tuple[Tensor, int, bool] | None = None
        self._mapped: dict[int, Tensor] = {}

    def put_in_place(self) -> None:
        """Let the maps compute with the copies."""
        for name, block in self.blocks.items():
            for module, parameter in zip(self.maps, block.rows, strict=True):
                module._parameters[name] = block.of(parameter, block.numbers)  # type: ignore[assignment]  # a tensor will do
        if len(self.maps) > 1:
            for place, module in enumerate(self.maps):
                module.forward = partial(self._map, place)  # type: ignore[method-assign]

    def take_away(self) -> None:
        """Let the maps compute with their own weights again; all gradients are forgotten."""
        for name, block in self.blocks.items():
            block.numbers.grad = None
            for module, parameter in zip(self.maps, block.rows, strict=True):
                module._parameters[name], parameter.grad = parameter, None
        for module in self.maps:
            vars(module).pop("forward", None)
        self._input, self._mapped = None, {}

    def _map(self, place: int, input: Tensor) -> Tensor:
        given = (input, input._version, torch.is_grad_enabled())
        same = self._input is not None and self._input[0] is input and self._input[1:] == given[1:]
        if not same or place not in self._mapped:
            biases = self.blocks["bias"].numbers if "bias" in self.blocks else None
            mapped = linear(input, self.blocks["weight"].numbers, biases)
            self._input, self._mapped = given, dict(enumerate(mapped.unsafe_split_with_sizes(self.sizes, dim=-1)))
        return self._mapped.pop(place)


def _is_plain(module: nn.Module) -> TypeGuard[nn.Linear]:
    """Tell a linear map that learns, whose parameters are its weight and bias, and not what they are made of."""
    parameters = dict(module.named_parameters())
    return type(module) is nn.Linear and parameters.keys() <= {"weight", "bias"} and all(p.requires_grad for p in parameters.values())


@contextmanager
def maps_in_bfloat16(model: nn.Module) -> Iterator[list[Maps]]:
    """Collect, at the block's end, the plain linear maps that autocast did in bfloat16 at each call, and that share no weights.

    Maps that were first called one after the other with the same input stand together.
    """
    found: list[Maps] = []
    narrow: dict[nn.Linear, bool] = {}
    groups: list[list[nn.Linear]] = []
    last: tuple[Tensor, int, bool, bool] | None = None  # what the newest group's maps were given, whether they learn from it, have biases
    owners = Counter(parameter for module in model.modules() for parameter in module.parameters(recurse=False))

    def hear(module: nn.Linear, given: tuple[Tensor, ...], named: dict[str, Tensor]) -> None:
        nonlocal last
        (input,) = (*given, *named.values())
        kind = input.device.type
        is_narrow = torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind) == NARROW
        given_now = (input, input._version, torch.is_grad_enabled(), module.bias is None)
        if module in narrow:
            last = None
        elif last is not None and last[0] is input and last[1:] == given_now[1:]:
            groups[-1].append(module)
        else:
            groups.append([module])
            last = given_now
        narrow[module] = narrow.get(module, True) and is_narrow

    own = [module for module in model.modules() if _is_plain(module) and all(owners[p] == 1 for p in module.parameters())]
    hooks = [module.register_forward_pre_hook(hear, with_kwargs=True) for module in own]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()
        found += [maps for group in groups if (maps := tuple(module for module in group if narrow[module]))]
