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
    register("visual-prefix", FACTORIES["visual-prefix"], needs={"prefix", "images"})
    register("none", FACTORIES["none"])


def visual_prefix(
    context: FusionContext,
    *,
    projector: ComponentSpec = ComponentSpec(name="stages"),  # noqa: B008 - frozen
    gate: ComponentSpec = ComponentSpec(name="dynamic"),  # noqa: B008 - frozen
    heads: Literal["split", "rows"] = "split",
) -> Fusion:
    """Gated images as keys and values before the text's own, in every layer (Chen et al. 2022, eq. 5-9).

    `heads: rows` cuts each layer's keys and values into heads row by row (release of Chen et al. 2022): a head then reads some positions
    whole instead of its share of each, so images cannot be masked one by one: it goes with `vision.missing: zeros` alone.
    """
    from hvpkit.model.fusions.visual_prefix import VisualPrefix

    return VisualPrefix(context, projector, gate, by_rows=heads == "rows")


def none(context: FusionContext) -> Fusion:
    """Text alone: what every multimodal system is to be compared with."""
    from hvpkit.model.fusions.text_only import TextOnly

    return TextOnly(context)


# Bound here, while the names are the functions': importing a submodule of the same name would hide them.
FACTORIES = {"visual-prefix": visual_prefix, "none": none}
