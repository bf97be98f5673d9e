"""The fusion `none`: text alone."""

from __future__ import annotations

from torch import Tensor

from hvpkit.interfaces import Fused, Fusion, FusionContext, TextBatch, TextEncoder, Trace, Visual


class TextOnly(Fusion):
    """Return the states of the text encoder; images are ignored.

    Args:
        context: What the fusion is built from.
    """

    graph_safe = True

    def __init__(self, context: FusionContext) -> None:
        super().__init__()
        self.width = context.text.width

    def forward(
        self,
        encoder: TextEncoder,
        text: TextBatch,
        visual: Visual | None,
        extras: dict[str, Tensor],
        trace: Trace | None = None,
    ) -> Fused:
        """Return states [B, T, d] and pooled [B, d]."""
        encoded = encoder(text, trace=trace)
        return Fused(encoded.states, encoded.pooled)
