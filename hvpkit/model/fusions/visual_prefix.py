"""The paper's fusion: a visual prefix in every layer of the text encoder."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from hvpkit.config.recipe import ComponentSpec
from hvpkit.interfaces import Fused, Fusion, FusionContext, Gate, Prefix, PrefixConfig, Projector, TextBatch, TextEncoder, Trace, Visual


class VisualPrefix(Fusion):
    """Project the pyramid, gate it for each layer, map it to keys and values before the text's own (Chen et al. 2022, eq. 2-9).

    Without images it is the plain text encoder. Raises ComponentError when the encoder cannot take a prefix.
    """

    def __init__(self, context: FusionContext, projector: ComponentSpec, gate: ComponentSpec, by_rows: bool = False) -> None:
        super().__init__()
        self.heads_by_rows = context.text.num_attention_heads if by_rows else None
        context.text.enable_prefix()
        levels = context.backbone.levels if context.backbone else ()
        shape = PrefixConfig(tuple(level.channels for level in levels), context.cells, context.text.width, context.text.num_layers)
        self.width = shape.width
        self.projector: Projector = context.build("projector", projector, shape)
        self.gate: Gate = context.build("gate", gate, replace(shape, width=self.projector.width))
        ready = self.projector.width == 2 * shape.width  # the levels already are keys and values
        self.key_value = nn.ModuleList(nn.Identity() if ready else nn.Linear(shape.width, 2 * shape.width) for _ in range(shape.layers))

    def forward(
        self, encoder: TextEncoder, text: TextBatch, visual: Visual | None, extras: dict[str, Tensor], trace: Trace | None = None
    ) -> Fused:
        """Give states [B, T, d] and pooled [B, d] of the text that has seen the images."""
        if visual is None:
            read = encoder(text, trace=trace)
            return Fused(read.states, read.pooled)
        levels = self.projector(visual)  # [B, V, C, P, d]
        weights = self.gate(levels)  # [B, V, N, C]
        read = encoder(text, prefix=self.build_prefix(levels, weights, visual.mask), trace=trace)
        penalty = self.gate.penalty(weights, visual.mask)
        if trace is not None:
            trace.gates, trace.cells = weights.detach(), self.cells(visual.mask.shape[1] * levels.shape[3], encoder.num_attention_heads)
            trace.level_name, trace.cells_are_spatial = self.projector.level_name, self.projector.cells_are_places
        return Fused(read.states, read.pooled, losses={} if penalty is None else {"gate": penalty})

    def build_prefix(self, levels: Tensor, weights: Tensor, mask: Tensor) -> Prefix:
        """Mix levels [B, V, C, P, d] by weights [B, V, N, C] (eq. 5), images side by side (eq. 6), as keys and values (eq. 7)."""
        gated = torch.einsum("bvlc,bvcpd->lbvpd", weights, levels).flatten(2, 3)  # [N, B, S, d]
        mapped = (linear(layer) for linear, layer in zip(self.key_value, gated, strict=True))
        keys, values = zip(*([self._in_heads(half) for half in both.chunk(2, dim=-1)] for both in mapped), strict=True)
        return Prefix(keys, values, mask.repeat_interleave(levels.shape[3], dim=1))

    def cells(self, length: int, heads: int) -> Tensor:
        """Give which of the S = `length` cells each head's prefix positions carry, [H, S]."""
        own = torch.arange(length)
        if self.heads_by_rows is None:
            return own.expand(heads, -1)
        spread = release_head_layout(own[None, :, None].expand(1, length, heads), heads)  # one number a head's share of a cell
        return spread[0].T

    def _in_heads(self, prefix: Tensor) -> Tensor:
        return prefix if self.heads_by_rows is None else release_head_layout(prefix, self.heads_by_rows)


def release_head_layout(prefix: Tensor, heads: int) -> Tensor:
    """Reorder [B, S, d] so that the encoder's split gives head h the h-th run of S*d/H numbers (release of Chen et al. 2022)."""
    batch, length, width = prefix.shape
    return prefix.reshape(batch, heads, length, width // heads).transpose(1, 2).reshape(batch, length, width)
