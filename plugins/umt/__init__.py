"""UMT: cross-modal attention layers above the text encoder and an auxiliary span tagger (Yu et al. 2020).

"Improving Multimodal Named Entity Recognition via Entity Span Detection with Unified Multimodal Transformer", ACL 2020.
Layers, gate, conversion matrix and both loss weights are those of the authors' code (jefferyYu/UMT). The paper's batch
size (16) is recalled, not verified; the code has 32. Own: the head is initialized like any other head, where the code
uses N(0, 0.02) too; tags are of words, not of wordpieces (tests/plugins/test_umt_golden.py compares both with the
authors' numbers); a missing image is masked, where the code uses a placeholder; the cells of several images form one
sequence; and the use for relations.
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
    """Register the fusion, for any text encoder with states; for entities it returns emissions too."""
    register("umt", umt, needs={"images", "states"}, provides={"states", "emissions"})


def umt(
    context: FusionContext,
    *,
    alpha: UnitInterval = 0.5,
    beta: float | None = None,
    num_attention_heads: PositiveInt | None = None,
    num_layers: PositiveInt = 1,
    dropout: UnitInterval = 0.1,
    levels: Literal["last", "all"] = "last",
) -> Fusion:
    """UMT: cross-modal attention above the text encoder, with an auxiliary span tagger (Yu et al. 2020).

    Args:
        context: Text encoder, backbone and labels.
        alpha: Weight of the main emissions, 0..1; the span tagger's emissions have 1 - alpha.
        beta: Weight of the span tagger's loss. By default 0.5 for entities and 0 for relations, which leaves the
            tagger out; above 0 the spans of head and tail are tagged for relations.
        num_attention_heads: Heads of each cross-modal layer; by default those of the text encoder.
        num_layers: Layers of each of the three cross-modal stacks.
        dropout: Dropout probability of the layers.
        levels: Cells of the backbone's `last` level, or the channels of `all` levels.

    Raises:
        ComponentError: "umt-without-vision", "umt-width-not-divisible", "umt-too-few-layers", "umt-alpha-outside" or
            "umt-beta-negative".

    Source: jefferyYu/UMT; own: relations, and `levels: all`.
    """
    from .fusion import UmtFusion, UmtOptions

    heads = num_attention_heads or context.text.num_attention_heads
    return UmtFusion(context, UmtOptions(alpha, beta, heads, num_layers, dropout, levels == "all"))
