"""Gradients of large weights stay in the bfloat16 that they come in until AdamW widens them, one at a time (our own).

Under autocast a weight's product, and so its gradient, is in bfloat16; torch writes it out in float32, which adds nothing to it but bytes
to hold and to carry to and fro. The same numbers come out, from half of the gradients' memory; but the norm that clips is known to 0.4%.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.linalg import vector_norm
from torch.nn.functional import linear
from torch.optim.adamw import adamw

NARROW = torch.bfloat16
LARGE = 2**16  # numbers; of smaller weights there is little to save


class NarrowLinear(nn.Linear):
    """An `nn.Linear` the gradient of whose weight comes in bfloat16 under autocast."""

    def forward(self, input: Tensor) -> Tensor:
        """Map [..., in] to [..., out]."""
        narrow = torch.is_autocast_enabled(input.device.type) and torch.get_autocast_dtype(input.device.type) == NARROW
        return linear(input, _Narrowed.apply(self.weight), self.bias) if narrow else super().forward(input)


class _Narrowed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor) -> Tensor:  # noqa: ANN401 - the library's signature
        return weight.to(NARROW)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401 - the library's signature
        return gradient


def keep_gradients_narrow(model: nn.Module, forward: Callable[[], object]) -> None:
    """Make NarrowLinear of a model's large plain linear maps, where torch (2.10) can.

    They share their weight with nothing, and `forward`, a pass through the model, uses them once: autocast casts others once for all uses.
    """
    if not hasattr(nn.Parameter, "grad_dtype"):
        return
    owners = Counter(id(parameter) for module in model.modules() for parameter in module.parameters(recurse=False))
    calls = _calls_of_maps(model, forward)
    for module in calls:
        large = module.weight.requires_grad and module.weight.numel() >= LARGE
        if large and type(module) is nn.Linear and owners[id(module.weight)] == calls[module] == 1:
            module.__class__ = NarrowLinear
            module.weight.grad_dtype = None  # whatever it comes in: without autocast it comes wide


@torch.no_grad()
def _calls_of_maps(model: nn.Module, forward: Callable[[], object]) -> Counter[nn.Linear]:
    calls: Counter[nn.Linear] = Counter()
    maps = [module for module in model.modules() if isinstance(module, nn.Linear)]
    hooks = [module.register_forward_pre_hook(lambda module, given: calls.update([module])) for module in maps]
    was_training = model.training
    model.eval()  # so that no random number is drawn
    try:
        forward()
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    return calls


def may_be_narrow(parameter: Tensor) -> bool:
    """Tell whether a parameter's gradient may come in a narrower type than its own."""
    return getattr(parameter, "grad_dtype", parameter.dtype) is None


def is_large_on_cpu(gradient: Tensor) -> bool:
    """Tell of what gradients `norm_of_rows` is quicker than torch's norm of the whole."""
    return gradient.device.type == "cpu" and gradient.dim() == 2 and gradient.numel() >= LARGE


def norm_of_rows(gradient: Tensor) -> Tensor:
    """Give the norm, a scalar in float32, of a gradient [out, in]: of its rows' norms, which are rounded to a narrow one's bfloat16.

    Of all numbers at once torch takes half as long again, and is off by some 3e-5 in float32.
    """
    norm: Tensor = vector_norm(vector_norm(gradient, dim=1).float())
    return norm


class WideningAdamW(torch.optim.AdamW):
    """Fused AdamW that also takes narrow gradients; one is widened at a time, where it stays in the processor's cache."""

    def __init__(self, groups: Iterable[dict[str, Any]]) -> None:
        super().__init__(groups, fused=True)
        narrow = (parameter for group in self.param_groups for parameter in group["params"] if may_be_narrow(parameter))
        self._wide = torch.empty(max((parameter.numel() for parameter in narrow), default=0))

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update the parameters that have gradients; gives what a closure gives."""
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            reached = [parameter for parameter in group["params"] if parameter.grad is not None]
            wide = [parameter for parameter in reached if parameter.grad.dtype == parameter.dtype]
            self._update(group, wide, [parameter.grad for parameter in wide])
            for parameter in reached:
                if parameter.grad.dtype != parameter.dtype:
                    self._update(group, [parameter], [self._wide[: parameter.numel()].view_as(parameter).copy_(parameter.grad)])
        return loss

    def _update(self, group: dict[str, Any], parameters: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
        states = [self._state(parameter) for parameter in parameters]
        adamw(
            list(parameters),
            list(gradients),
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            fused=True,
            grad_scale=getattr(self, "grad_scale", None),
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )

    def _state(self, parameter: Tensor) -> dict[str, Tensor]:
        """Give a parameter's state, which torch's AdamW would read as its own."""
        state: dict[str, Tensor] = self.state[parameter]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32)
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        return state
