"""Visual prefix fusion: image features as additional keys and values in every layer of the text encoder."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from hvpkit.config.recipe import ComponentSpec
from hvpkit.interfaces import (
    Fused,
    Fusion,
    FusionContext,
    Gate,
    Prefix,
    PrefixConfig,
    Projector,
    TextBatch,
    TextEncoder,
    Trace,
    Visual,
)


class VisualPrefix(Fusion):
    """Weight projected pyramid levels for each text layer, and prepend them to its keys and values.

    Without images the result is that of the text encoder.

    Args:
        context: What the fusion is built from.
        projector: The projector.
        gate: The gate.
        is_release_layout: Split keys and values into heads as the released code does.

    Raises:
        ComponentError: "prefix-unsupported" if the text encoder does not accept a prefix.

    Source: Chen et al. 2022, eq. 2-9.
    """

    graph_safe = True

    def __init__(
        self, context: FusionContext, projector: ComponentSpec, gate: ComponentSpec, is_release_layout: bool = False
    ) -> None:
        super().__init__()
        self.release_heads = context.text.num_attention_heads if is_release_layout else None
        context.text.enable_prefix()
        levels = context.backbone.levels if context.backbone else ()
        config = PrefixConfig(
            tuple(level.channels for level in levels), context.cells, context.text.width, context.text.num_layers
        )
        self.width = config.width
        self.projector: Projector = context.build("projector", projector, config)
        self.gate: Gate = context.build("gate", gate, replace(config, width=self.projector.width))
        projects_to_keys_values = self.projector.width == 2 * config.width
        self.key_value = nn.ModuleList(
            nn.Identity() if projects_to_keys_values else nn.Linear(config.width, 2 * config.width)
            for _ in range(config.layers)
        )

    def forward(
        self,
        encoder: TextEncoder,
        text: TextBatch,
        visual: Visual | None,
        extras: dict[str, Tensor],
        trace: Trace | None = None,
    ) -> Fused:
        """Encode the text with the visual prefix; return states [B, T, d] and pooled [B, d]."""
        if visual is None:
            encoded = encoder(text, trace=trace)
            return Fused(encoded.states, encoded.pooled)
        levels = self.projector(visual)  # [B, V, C, P, d]
        weights = self.gate(levels)  # [B, V, N, C]
        encoded = encoder(text, prefix=self.build_prefix(levels, weights, visual.mask), trace=trace)
        penalty = self.gate.penalty(weights, visual.mask)
        if trace is not None:
            trace.gates = weights.detach()
            trace.cells = self.cells(visual.mask.shape[1] * levels.shape[3], encoder.num_attention_heads)
            trace.level_name = self.projector.level_name
            trace.cells_are_spatial = self.projector.cells_are_spatial
        return Fused(encoded.states, encoded.pooled, losses={} if penalty is None else {"gate": penalty})

    def build_prefix(self, levels: Tensor, weights: Tensor, mask: Tensor) -> Prefix:
        """Compute the prefix of all text layers.

        Args:
            levels: Projected levels, [B, V, C, P, d].
            weights: Weights of the gate, [B, V, N, C].
            mask: True for image regions that exist, [B, V] bool.

        Source: Chen et al. 2022, eq. 5-7.
        """
        gated = torch.einsum("bvlc,bvcpd->lbvpd", weights, levels).flatten(2, 3)  # [N, B, S, d]
        all_keys_values = (linear(layer) for linear, layer in zip(self.key_value, gated, strict=True))
        keys, values = zip(
            *([self._to_head_layout(half) for half in keys_values.chunk(2, dim=-1)] for keys_values in all_keys_values),
            strict=True,
        )
        return Prefix(keys, values, mask.repeat_interleave(levels.shape[3], dim=1))

    def cells(self, length: int, heads: int) -> Tensor:
        """Return the cell that each prefix position of each head contains, [H, S].

        Args:
            length: Number of prefix positions S.
            heads: Number of attention heads H.
        """
        cells = torch.arange(length)
        if self.release_heads is None:
            return cells.expand(heads, -1)
        by_head = release_head_layout(cells[None, :, None].expand(1, length, heads), heads)  # [1, S, H]
        return by_head[0].T

    def _to_head_layout(self, prefix: Tensor) -> Tensor:
        return prefix if self.release_heads is None else release_head_layout(prefix, self.release_heads)


def release_head_layout(prefix: Tensor, heads: int) -> Tensor:
    """Reorder a prefix [B, S, d] so that each attention head gets a contiguous block of its values.

    After the encoder's split, head h has the h-th block of S*d/H values of the row-major prefix.

    Source: code released with Chen et al. 2022.
    """
    batch, length, width = prefix.shape
    return prefix.reshape(batch, heads, length, width // heads).transpose(1, 2).reshape(batch, length, width)
