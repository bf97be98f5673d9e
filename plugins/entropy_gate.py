"""A gate with a say on how decided it is: an example of a plugin of one file.

hvpkit finds it through the entry point group `hvpkit`, as it would a package of yours; a file like it can also be named by `--plugin FILE`.
In a recipe: `fusion: {name: visual-prefix, projector: per-level, gate: {name: entropy, entropy_weight: 0.05}}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hvpkit.hookspecs import Register, hookimpl

if TYPE_CHECKING:
    from hvpkit.interfaces import Gate, PrefixConfig

SMALLEST = 1e-12  # the logarithm of a weight that became 0 has no gradient


@hookimpl
def register_gates(register: Register) -> None:
    """Register the gate; this module comes without torch, as every command imports it."""
    register("entropy", entropy)


def entropy(shape: PrefixConfig, *, entropy_weight: float = 0.01, slope: float = 0.01) -> Gate:
    """The dynamic gate, with `entropy_weight` times the mean entropy of its weights added to the loss (our own).

    The mean is over layers and existing images, in nats. Above 0 it asks a layer to settle on one level, below 0 to use all of them.
    """
    from torch import Tensor

    from hvpkit.model.gates.dynamic import DynamicGate

    class EntropyGate(DynamicGate):
        def penalty(self, weights: Tensor, mask: Tensor) -> Tensor:
            entropies = -(weights * weights.clamp(min=SMALLEST).log()).sum(-1).mean(-1)  # [B, V]
            mean: Tensor = (entropies * mask).sum() / mask.sum().clamp(min=1)
            return entropy_weight * mean

    return EntropyGate(shape, slope)
