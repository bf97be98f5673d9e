"""Gates: weights of the pyramid levels for each text layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hvpkit.hookspecs import Register, hookimpl

if TYPE_CHECKING:
    from hvpkit.interfaces import Gate, PrefixConfig


@hookimpl
def register_gates(register: Register) -> None:
    """Register the gate of the paper, its two ablations, and the gate of the released code."""
    register("dynamic", build_dynamic)
    register("flattened", build_flattened)
    register("flat", build_flat)
    register("1t3", build_one_to_three)


def build_dynamic(shape: PrefixConfig, *, slope: float = 0.01) -> Gate:
    """Dynamic gate: softmax over levels, computed from the images for each text layer.

    Args:
        shape: Dimensions of the prefix.
        slope: Negative slope of the LeakyReLU.

    Source: Chen et al. 2022, eq. 3-4.
    """
    from hvpkit.model.gates.dynamic import DynamicGate

    return DynamicGate(shape, slope)


def build_flattened(shape: PrefixConfig, *, slope: float = 0.01) -> Gate:
    """Flattened gate: the dynamic gate over concatenated instead of averaged cells.

    Args:
        shape: Dimensions of the prefix.
        slope: Negative slope of the LeakyReLU.

    Source: code released with Chen et al. 2022.
    """
    from hvpkit.model.gates.flattened import FlattenedGate

    return FlattenedGate(shape, slope)


def build_flat(shape: PrefixConfig) -> Gate:
    """Fixed gate: every text layer uses the last level (HVPNeT-Flat).

    Source: Chen et al. 2022, ablations.
    """
    from hvpkit.model.gates.fixed import FixedGate

    return FixedGate([len(shape.channels) - 1] * shape.layers, len(shape.channels))


def build_one_to_three(shape: PrefixConfig) -> Gate:
    """Fixed gate: layer l uses level floor(l*C/N), three layers per level in BERT-base (HVPNeT-1T3).

    Source: Chen et al. 2022, ablations.
    """
    from hvpkit.model.gates.fixed import FixedGate

    levels = len(shape.channels)
    return FixedGate([layer * levels // shape.layers for layer in range(shape.layers)], levels)
