"""BertAdam: Adam as in the code released with BERT, without bias correction."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

CLIP_EPS = 1e-6  # added to the norm, as in torch's clip_grad_norm_


class BertAdam(torch.optim.Optimizer):
    """Adam without bias correction, with decoupled weight decay.

    The update is lr * (m / (sqrt(v) + eps) + weight_decay * w). In the first steps it is larger than that of torch's
    AdamW. transformers' former AdamW with `correct_bias=False` differs only in that it decays after the update.

    Args:
        groups: Parameter groups, with `lr` and `weight_decay`.
        betas: Decay of the averages of gradients and squared gradients.
        eps: Added to the denominator.
        max_tensor_norm: Maximum norm of the gradient of each tensor by itself; 0: no limit.

    Source: pytorch-pretrained-bert, optimization.py: BertAdam.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        max_tensor_norm: float = 0.0,
    ) -> None:
        defaults = {"betas": betas, "eps": eps, "max_tensor_norm": max_tensor_norm}
        super().__init__(groups, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update the parameters that have gradients; return the result of the closure."""
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            updated = [parameter for parameter in group["params"] if parameter.grad is not None]
            if updated:
                self._update(group, updated, [parameter.grad for parameter in updated])
        return loss

    def _update(self, group: dict[str, Any], parameters: list[Tensor], gradients: list[Tensor]) -> None:
        if group["max_tensor_norm"]:
            gradients = _clipped(gradients, group["max_tensor_norm"])
        states = [self._state(parameter) for parameter in parameters]
        averages, squares = [state["exp_avg"] for state in states], [state["exp_avg_sq"] for state in states]
        beta1, beta2 = group["betas"]
        torch._foreach_lerp_(averages, gradients, 1 - beta1)
        torch._foreach_mul_(squares, beta2)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - beta2)
        denominators = torch._foreach_sqrt(squares)
        torch._foreach_add_(denominators, group["eps"])
        updates = torch._foreach_div(averages, denominators)
        if group["weight_decay"]:
            torch._foreach_add_(updates, parameters, alpha=group["weight_decay"])
        torch._foreach_add_(parameters, updates, alpha=-group["lr"])

    def _state(self, parameter: Tensor) -> dict[str, Tensor]:
        state: dict[str, Tensor] = self.state[parameter]
        if not state:
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        return state


def _clipped(gradients: list[Tensor], max_norm: float) -> list[Tensor]:
    """Scale each gradient whose norm exceeds the maximum."""
    norms = torch._foreach_norm(gradients)
    return [
        gradient * (max_norm / (norm + CLIP_EPS)).clamp(max=1.0)
        for gradient, norm in zip(gradients, norms, strict=True)
    ]
