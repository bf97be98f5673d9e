"""The fusion of VisualBERT: it hands regions to the encoder, which does the rest."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from hvpkit.errors import ComponentError
from hvpkit.interfaces import Fused, Fusion, FusionContext, TextBatch, TextEncoder, Trace, Visual, cell_width

from .encoder import VisualBertEncoder


class SingleStream(Fusion):
    """Pieces and regions in one transformer, of which the pieces' states are kept (Li et al. 2019)."""

    def __init__(self, context: FusionContext, every_level: bool) -> None:
        super().__init__()
        if context.backbone is None:
            raise ComponentError("visualbert-without-vision")
        encoder, channels = cast(VisualBertEncoder, context.text), cell_width(context.backbone.levels, every_level)
        self.width, self.every_level = encoder.width, every_level
        self.adapt = nn.Identity() if channels == encoder.region_width else nn.Linear(channels, encoder.region_width)

    def forward(
        self, encoder: TextEncoder, text: TextBatch, visual: Visual | None, extras: dict[str, Tensor], trace: Trace | None = None
    ) -> Fused:
        """Give states [B, T, d] and pooled [B, d] of the text that was read beside its regions."""
        if visual is None:
            read = encoder(text, trace=trace)
        else:
            regions, exists = visual.cells(self.every_level)  # [B, S, C], [B, S]
            read = cast(VisualBertEncoder, encoder).read(text, self.adapt(regions), exists, trace)
            if trace is not None:
                trace.cells = torch.arange(regions.shape[1]).expand(encoder.num_attention_heads, -1)
        return Fused(read.states, read.pooled)
