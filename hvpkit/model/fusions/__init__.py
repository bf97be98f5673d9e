"""Fusions: how images are combined with the text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from hvpkit.config.recipe import ComponentSpec
from hvpkit.hookspecs import Register, hookimpl

if TYPE_CHECKING:
    from hvpkit.interfaces import Fusion, FusionContext


@hookimpl
def register_fusions(register: Register) -> None:
    """Register the built-in fusions."""
    register("visual-prefix", build_visual_prefix, needs={"prefix", "images"})
    register("none", build_none)


def build_visual_prefix(
    context: FusionContext,
    *,
    projector: ComponentSpec = ComponentSpec(name="per-level"),  # noqa: B008 - frozen
    gate: ComponentSpec = ComponentSpec(name="dynamic"),  # noqa: B008 - frozen
    head_layout: Literal["split", "release"] = "split",
) -> Fusion:
    """Visual prefix: gated images as keys and values before those of the text, in every layer.

    Args:
        context: What the fusion is built from.
        projector: The projector.
        gate: The gate.
        head_layout: How keys and values are split into attention heads. `split` gives every head a slice of each
            position. `release` (as in the released code) gives every head whole positions, so that images cannot be
            masked one by one; it requires `vision.missing: zeros`.

    Raises:
        ComponentError: "prefix-unsupported" if the text encoder does not accept a prefix.

    Source: Chen et al. 2022, eq. 2-9; `release` from the code released with it.
    """
    from hvpkit.model.fusions.visual_prefix import VisualPrefix

    return VisualPrefix(context, projector, gate, is_release_layout=head_layout == "release")


def build_none(context: FusionContext) -> Fusion:
    """No fusion: text alone, the baseline of multimodal systems."""
    from hvpkit.model.fusions.text_only import TextOnly

    return TextOnly(context)
