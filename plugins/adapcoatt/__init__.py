"""AdapCoAtt: co-attention between words and image cells, and two gates above the text encoder (Zhang et al. 2018).

"Adaptive Co-attention Network for Named Entity Recognition in Tweets", AAAI 2018. `equations: paper` follows the
equations of the paper as the public PyTorch port (monologg/NER-Multimodal-pytorch) computes them; the width of the
fused states is that of a second port, which replaces the BiLSTM of the paper by BERT. `equations: release` follows
the authors' Keras code (jinlanfu/NERmultimodal). The BERT version that Yu et al. (2020) and Chen et al. (2022)
compare with is not public: its image features and its training are not known. Own: `combine: add`, masking of padding
in the attention to words, no visual signal without an image, cells of several images as one sequence, and the use for
relations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from hvpkit.config.option_types import UnitInterval
from hvpkit.hookspecs import Register, hookimpl

from . import messages  # noqa: F401 - adds the templates

if TYPE_CHECKING:
    from hvpkit.interfaces import Fusion, FusionContext


@hookimpl
def register_fusions(register: Register) -> None:
    """Register the fusion, for any text encoder with states."""
    register("adapcoatt", adapcoatt, needs={"images", "states"}, provides={"states"})


def adapcoatt(
    context: FusionContext,
    *,
    equations: Literal["paper", "release"] = "paper",
    combine: Literal["concat", "add"] = "concat",
    padding: Literal["mask", "attend"] = "mask",
    dropout: UnitInterval = 0.1,
    levels: Literal["last", "all"] = "last",
) -> Fusion:
    """AdapCoAtt: co-attention of words and image cells with two gates (Zhang et al. 2018).

    Args:
        context: Text encoder and backbone.
        equations: Those of the `paper`, or those of the code that its authors `release`d.
        combine: How a query and a key are combined before they are scored. `concat` as published: the query cancels
            in the softmax, so that all words attend alike. With `add` each word has its own attention, which needs
            memory for T x T x d numbers per text.
        padding: `mask` excludes padding from the attention to words. `attend` includes it, as the public code does;
            results then depend on the longest text of the batch.
        dropout: Dropout probability of the text encoder's states.
        levels: Cells of the backbone's `last` level, or the channels of `all` levels.

    Raises:
        ComponentError: "adapcoatt-without-vision" or "adapcoatt-release-adds".

    Source: Zhang et al. 2018; monologg/NER-Multimodal-pytorch; jinlanfu/NERmultimodal; own: `combine: add`.
    """
    from .fusion import AdapCoAttFusion, AdapCoAttOptions

    options = AdapCoAttOptions(equations == "release", combine == "add", padding == "mask", dropout, levels == "all")
    return AdapCoAttFusion(context, options)
