"""UMT: text and image read each other in layers above the text encoder, beside a tagger of bare spans (Yu et al. 2020).

"Improving Multimodal Named Entity Recognition via Entity Span Detection with Unified Multimodal Transformer", ACL 2020. Layers, gate,
conversion matrix and both weights are those of the authors' code (jefferyYu/UMT); what the paper itself says of the batch (16) is
recalled, not verified (the code has 32). Our own: the head begins as any head, where the code draws its weights
from N(0, 0.02) too; tags are of words, not of pieces; a missing image is masked, where the code shows a placeholder; several images
stand side by side as one grid; and the use for relations.
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
    """Register the fusion; it reads states of any text encoder, gives states of twice their width, and for entities emissions."""
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
    """Words and image cells read each other above the text encoder; a tagger of bare spans has its say on the tags (Yu et al. 2020).

    `alpha` is the share of the main emissions, the rest is the span tagger's. `beta` weighs the tagger's loss: 0.5 for entities; for
    relations 0, which leaves the tagger out, or more to tag the spans of head and tail (our own). Each of the three cross-modal stacks is
    `num_layers` deep and has `num_attention_heads` heads (unless given, the text encoder's). `levels: all` reads the channels of
    every level of the backbone (our own). Raises ComponentError for heads that do not fit and shares outside 0..1.
    """
    from .fusion import UmtFusion, UmtOptions

    return UmtFusion(
        context, UmtOptions(alpha, beta, num_attention_heads or context.text.num_attention_heads, num_layers, dropout, levels == "all")
    )
