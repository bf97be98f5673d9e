"""Projectors: map pooled image features to the width of the text encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hvpkit.config.option_types import PositiveInt
from hvpkit.hookspecs import Register, hookimpl

if TYPE_CHECKING:
    from hvpkit.interfaces import PrefixConfig, Projector


@hookimpl
def register_projectors(register: Register) -> None:
    """Register the built-in projectors."""
    register("per-level", build_per_level)
    register("joint", build_joint)


def build_per_level(shape: PrefixConfig) -> Projector:
    """Per-level projector: one 1x1 convolution for each level of the pyramid.

    Source: Chen et al. 2022, eq. 2.
    """
    from hvpkit.model.projectors.per_level import PerLevelProjector

    return PerLevelProjector(shape)


def build_joint(shape: PrefixConfig, *, hidden: PositiveInt = 800) -> Projector:
    """Joint projector: one MLP over all levels, whose output is sliced into keys and values.

    Args:
        shape: Dimensions of the prefix.
        hidden: Width of the hidden layer.

    Source: code released with Chen et al. 2022.
    """
    from hvpkit.model.projectors.joint import JointProjector

    return JointProjector(shape, hidden)
