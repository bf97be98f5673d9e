"""Linear maps in fp32 on a CPU by oneDNN: torch leaves them to MKL, which is slower at the sizes of a batch of texts (our own)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class OneDnnLinear(nn.Linear):
    """An `nn.Linear` whose products in fp32 on a CPU are oneDNN's: the same but for rounding. Its gradients have no gradients."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the library's signature
        """Map [..., in] to [..., out]."""
        kind = input.device.type
        if kind != "cpu" or input.dtype != torch.float32 or torch.is_autocast_enabled(kind) or input.dim() < 2 or not input.numel():
            return super().forward(input)
        mapped: Tensor = _Product.apply(input, self.weight, self.bias)
        return mapped


def multiply_by_onednn(model: nn.Module) -> None:
    """Let the plain linear maps of a model use oneDNN, where this torch has it."""
    if torch.backends.mkldnn.is_available():
        for module in model.modules():
            if type(module) is nn.Linear:
                module.__class__ = OneDnnLinear


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, given: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # noqa: ANN401 - the library's signature
        ctx.save_for_backward(given, weight)
        return _product(given, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:  # noqa: ANN401 - the library's signature
        given, weight = ctx.saved_tensors
        for_given, for_weight, for_bias = ctx.needs_input_grad
        rows = gradient.flatten(0, -2)
        return (
            _product(gradient, weight.t(), None) if for_given else None,
            rows.t() @ given.flatten(0, -2) if for_weight else None,
            rows.sum(0) if for_bias else None,
        )


def _product(given: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    mapped: Tensor = torch.ops.mkldnn._linear_pointwise(given, weight, bias, "none", [], "")  # what torch.compile makes of linear maps
    return mapped
