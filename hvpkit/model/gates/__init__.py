"""Gates: how much each text layer takes from each level of the pyramid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hvpkit.hookspecs import Register, hookimpl

if TYPE_CHECKING:
    from hvpkit.interfaces import Gate, PrefixConfig


@hookimpl
def register_gates(register: Register) -> None:
    """Register the paper's gate, its two ablations, and the gate of the release."""
    register("dynamic", build_dynamic)
    register("flattened", build_flattened)
    register("flat", build_flat)
    register("1t3", build_one_to_three)


def build_dynamic(shape: PrefixConfig, *, slope: float = 0.01) -> Gate:
    """Softmax over levels, computed from the images for each text layer (Chen et al. 2022, eq. 3-4)."""
    from hvpkit.model.gates.dynamic import DynamicGate

    return DynamicGate(shape, slope)


def build_flattened(shape: PrefixConfig, *, slope: float = 0.01) -> Gate:
    """The dynamic gate over cells side by side instead of averaged (release of Chen et al. 2022)."""
    from hvpkit.model.gates.flattened import FlattenedGate

    return FlattenedGate(shape, slope)


def build_flat(shape: PrefixConfig) -> Gate:
    """The last level alone feeds every layer (HVPNeT-Flat)."""
    from hvpkit.model.gates.fixed import FixedGate

    return FixedGate([len(shape.channels) - 1] * shape.layers, len(shape.channels))


def build_one_to_three(shape: PrefixConfig) -> Gate:
    """Layer l takes level floor(l*C/N): three layers a level in BERT-base (HVPNeT-1T3)."""
    from hvpkit.model.gates.fixed import FixedGate

    levels = len(shape.channels)
    return FixedGate([layer * levels // shape.layers for layer in range(shape.layers)], levels)
