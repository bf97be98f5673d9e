"""Fusions: how images enter the text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from hvpkit.config.recipe import ComponentSpec
from hvpkit.hookspecs import Register, hookimpl

if TYPE_CHECKING:
    from hvpkit.interfaces import Fusion, FusionContext


@hookimpl
def register_fusions(register: Register) -> None:
    """Register the paper's fusion and its absence."""
    register("visual-prefix", build_visual_prefix, needs={"prefix", "images"})
    register("none", build_none)


def build_visual_prefix(
    context: FusionContext,
    *,
    projector: ComponentSpec = ComponentSpec(name="per-level"),  # noqa: B008 - frozen
    gate: ComponentSpec = ComponentSpec(name="dynamic"),  # noqa: B008 - frozen
    head_layout: Literal["split", "release"] = "split",
) -> Fusion:
    """Gated images as keys and values before the text's own, in every layer (Chen et al. 2022, eq. 5-9).

    `head_layout: release` cuts each layer's keys and values into heads row by row (release of Chen et al. 2022): a head then reads some positions
    whole instead of its share of each, so images cannot be masked one by one: it goes with `vision.missing: zeros` alone.
    """
    from hvpkit.model.fusions.visual_prefix import VisualPrefix

    return VisualPrefix(context, projector, gate, by_rows=head_layout == "release")


def build_none(context: FusionContext) -> Fusion:
    """Text alone: what every multimodal system is to be compared with."""
    from hvpkit.model.fusions.text_only import TextOnly

    return TextOnly(context)
