"""No fusion."""

from __future__ import annotations

from torch import Tensor

from hvpkit.interfaces import Fused, Fusion, FusionContext, TextBatch, TextEncoder, Trace, Visual


class TextOnly(Fusion):
    """The text encoder's own states."""

    def __init__(self, context: FusionContext) -> None:
        super().__init__()
        self.width = context.text.width

    def forward(
        self, encoder: TextEncoder, text: TextBatch, visual: Visual | None, extras: dict[str, Tensor], trace: Trace | None = None
    ) -> Fused:
        """Give states [B, T, d] and pooled [B, d]; images are not looked at."""
        read = encoder(text, trace=trace)
        return Fused(read.states, read.pooled)
