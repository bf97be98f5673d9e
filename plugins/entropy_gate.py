"""Dynamic gate with an entropy penalty: an example of a plugin in one file.

hvpkit finds it through the entry point group `hvpkit`, like any installed package; `--plugin FILE` loads such a file
too. In a recipe: `fusion: {name: visual-prefix, projector: per-level, gate: {name: entropy, entropy_weight: 0.05}}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hvpkit.hookspecs import Register, hookimpl

if TYPE_CHECKING:
    from hvpkit.interfaces import Gate, PrefixConfig

MIN_WEIGHT = 1e-12  # the logarithm of 0 has no gradient


@hookimpl
def register_gates(register: Register) -> None:
    """Register the gate; every command imports this module, so it does not import torch."""
    register("entropy", entropy)


def entropy(shape: PrefixConfig, *, entropy_weight: float = 0.01, slope: float = 0.01) -> Gate:
    """Dynamic gate with an entropy penalty.

    Args:
        shape: Sizes of the prefix.
        entropy_weight: Weight of the mean entropy of the gate weights in the loss, in nats, over layers and existing
            images. Above 0, each layer tends to one level; below 0, to all of them.
        slope: Negative slope of the gate's leaky ReLU.

    Source: own.
    """
    from torch import Tensor

    from hvpkit.model.gates.dynamic import DynamicGate

    class EntropyGate(DynamicGate):
        def penalty(self, weights: Tensor, mask: Tensor) -> Tensor:
            entropies = -(weights * weights.clamp(min=MIN_WEIGHT).log()).sum(-1).mean(-1)  # [B, V]
            mean: Tensor = (entropies * mask).sum() / mask.sum().clamp(min=1)
            return entropy_weight * mean

    return EntropyGate(shape, slope)
