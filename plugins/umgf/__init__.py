"""UMGF: words and visual objects as nodes of one graph, with gated messages between both (Zhang et al. 2021).

"Multi-modal Graph Fusion for Named Entity Recognition with Targeted Visual Guidance", AAAI 2021. Layers, gates, sizes,
dropout and initialization are those of the authors' code (TransformersWsz/UMGF, commit 55adc076), whose numbers
tests/plugins/test_umgf_golden.py compares with. The edges of `edges: phrases` are those of the paper as quoted in
secondary texts, not verified; the code links every object to every position.

Own: tags are of words, not of wordpieces, [CLS] and [SEP]; an object that does not exist sends no messages and is
masked in the attention between objects, where the code ends the program; the cells of a grid count as objects of their
image region; the objects of the last layer are not updated, since nothing reads them; how phrases are found in the
text; and the use for relations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from hvpkit.config.option_types import PositiveInt, UnitInterval
from hvpkit.hookspecs import Register, hookimpl

from . import messages  # noqa: F401 - adds the templates

if TYPE_CHECKING:
    from hvpkit.interfaces import Fusion, FusionContext


@hookimpl
def register_fusions(register: Register) -> None:
    """Register the fusion, for any text encoder with states."""
    register("umgf", umgf, needs={"images", "states"}, provides={"states"})


def umgf(
    context: FusionContext,
    *,
    graph_width: PositiveInt = 512,
    feedforward_width: PositiveInt | None = None,
    num_layers: PositiveInt = 6,
    num_attention_heads: PositiveInt = 8,
    dropout: UnitInterval = 0.4,
    edges: Literal["all", "phrases"] = "all",
    levels: Literal["last", "all"] = "last",
) -> Fusion:
    """UMGF: graph layers over words and objects, with gated messages between both (Zhang et al. 2021).

    Args:
        context: Text encoder and backbone.
        graph_width: Width g of the nodes.
        feedforward_width: Width of the feed-forward maps; by default g / 2.
        num_layers: Number of graph layers.
        num_attention_heads: Heads of the attention within words and within objects.
        dropout: Dropout probability of attention weights, residual branches and object features.
        edges: `all` links every object to every position of the text. `phrases` links an object whose phrase occurs
            in the text to the wordpieces of this phrase only.
        levels: Cells of the backbone's `last` level, or the channels of `all` levels.

    Raises:
        ComponentError: "umgf-without-vision" or "umgf-width-not-divisible".

    Source: TransformersWsz/UMGF; Zhang et al. 2021 for `edges: phrases`.
    """
    from .fusion import UmgfFusion, UmgfOptions
    from .layers import LayerSizes

    feedforward = feedforward_width or max(1, graph_width // 2)
    sizes = LayerSizes(graph_width, feedforward, num_attention_heads, dropout)
    return UmgfFusion(context, UmgfOptions(sizes, num_layers, edges == "phrases", levels == "all"))
