"""Fusion of VisualBERT: passes regions to the encoder."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from hvpkit.errors import ComponentError
from hvpkit.interfaces import Fused, Fusion, FusionContext, TextBatch, TextEncoder, Trace, Visual, cell_width

from .encoder import VisualBertEncoder


class SingleStream(Fusion):
    """Wordpieces and regions in one transformer; returns the states of the text.

    Args:
        context: Text encoder and backbone.
        all_levels: Read the channels of all levels of the backbone, not of the last one alone.

    Raises:
        ComponentError: "visualbert-without-vision".

    Source: Li et al. 2019.
    """

    graph_safe = True

    def __init__(self, context: FusionContext, all_levels: bool) -> None:
        super().__init__()
        if context.backbone is None:
            raise ComponentError("visualbert-without-vision")
        encoder, channels = cast(VisualBertEncoder, context.text), cell_width(context.backbone.levels, all_levels)
        self.width, self.all_levels = encoder.width, all_levels
        self.adapt = nn.Identity() if channels == encoder.region_width else nn.Linear(channels, encoder.region_width)

    def forward(
        self,
        encoder: TextEncoder,
        text: TextBatch,
        visual: Visual | None,
        extras: dict[str, Tensor],
        trace: Trace | None = None,
    ) -> Fused:
        """Compute states [B, T, d] and pooled [B, d] of the text, read together with its regions."""
        if visual is None:
            output = encoder(text, trace=trace)
        else:
            regions, exists = visual.cells(self.all_levels)  # [B, S, C], [B, S]
            output = cast(VisualBertEncoder, encoder).read(text, self.adapt(regions), exists, trace)
            if trace is not None:
                trace.cells = torch.arange(regions.shape[1]).expand(encoder.num_attention_heads, -1)
        return Fused(output.states, output.pooled)
