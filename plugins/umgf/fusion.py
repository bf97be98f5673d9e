"""Fusion of UMGF (Zhang et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hvpkit.errors import ComponentError
from hvpkit.interfaces import (
    EncodedText,
    Fused,
    Fusion,
    FusionContext,
    TextBatch,
    TextEncoder,
    Trace,
    Visual,
    cell_width,
)
from hvpkit.types import Example

from .layers import Graph, GraphLayer, LayerSizes, xavier_linear
from .phrases import phrase_edges


@dataclass(frozen=True)
class UmgfOptions:
    """Options of the fusion.

    Attributes:
        sizes: Sizes of the layers.
        num_layers: Number of graph layers.
        by_phrases: Link an object to the words of its phrase only, if these occur in the text.
        all_levels: Read the channels of all levels of the backbone, not of the last one alone.
    """

    sizes: LayerSizes
    num_layers: int
    by_phrases: bool
    all_levels: bool


class UmgfFusion(Fusion):
    """States of the text encoder, concatenated with those of a graph of words and objects: [B, T, d + g].

    Every cell of every image region is an object. Without images the words receive no messages.

    Args:
        context: Text encoder and backbone.
        options: Options of the recipe.

    Raises:
        ComponentError: "umgf-without-vision" or "umgf-width-not-divisible".

    Source: Zhang et al. 2021; TransformersWsz/UMGF, `ddp_mmner.py`.
    """

    def __init__(self, context: FusionContext, options: UmgfOptions) -> None:
        super().__init__()
        sizes, d = options.sizes, context.text.width
        if context.backbone is None:
            raise ComponentError("umgf-without-vision")
        if sizes.width % sizes.heads:
            raise ComponentError("umgf-width-not-divisible", width=sizes.width, heads=sizes.heads)
        self.options, self.width = options, d + sizes.width
        self.full_image, self.max_objects = context.full_image, context.max_objects
        self.channels = cell_width(context.backbone.levels, options.all_levels)
        self.words = nn.Linear(d, sizes.width)
        self.features = nn.Linear(self.channels, self.channels)  # in place of the last layer of ResNet
        self.objects = nn.Sequential(
            xavier_linear(self.channels, sizes.width),
            nn.ReLU(),
            nn.Dropout(sizes.dropout),
            xavier_linear(sizes.width, sizes.width),
            nn.ReLU(),
            nn.Dropout(sizes.dropout),
        )
        last = options.num_layers - 1
        self.layers = nn.ModuleList(GraphLayer(sizes, number < last) for number in range(options.num_layers))
        _start_alike(self.layers)

    def build_inputs(self, example: Example, encoded: EncodedText) -> dict[str, Tensor]:
        """Return the edges [T, V] between positions and image regions, if they depend on phrases."""
        if not self.options.by_phrases:
            return {}
        return {"edges": phrase_edges(example, encoded, self.full_image, self.max_objects)}

    def forward(
        self,
        encoder: TextEncoder,
        text: TextBatch,
        visual: Visual | None,
        extras: dict[str, Tensor],
        trace: Trace | None = None,
    ) -> Fused:
        """Compute states [B, T, d + g].

        Args:
            encoder: Text encoder.
            text: Batch of texts.
            visual: Image features; None: no images.
            extras: Results of `build_inputs`, batched.
            trace: Receives, as attention of one head per layer, the share of each object's message in what a position
                becomes; the rest is that of the position itself.
        """
        states = encoder(text).states  # H [B, T, d]
        cells, exists = self._no_cells(states) if visual is None else visual.cells(self.options.all_levels)
        words, objects = self.words(states), self.objects(self.features(cells))  # [B, T, g], [B, S, g]
        graph = Graph(text.mask, exists, self._edges(text, visual, exists, extras.get("edges")))
        shares: list[Tensor] | None = None if trace is None else []
        for layer in self.layers:
            words, objects = layer(words, objects, graph, shares)
        if trace is not None and shares is not None:
            _trace_shares(trace, shares)
        return Fused(torch.cat([states, words.to(states.dtype)], dim=-1))

    def _edges(self, text: TextBatch, visual: Visual | None, exists: Tensor, edges: Tensor | None) -> Tensor:
        """Return the edges between positions and cells that exist, [B, T, S]."""
        existing = text.mask[:, :, None] & exists[:, None]
        if edges is None or visual is None:
            return existing.to(self.words.weight.dtype)
        return edges.repeat_interleave(exists.shape[1] // edges.shape[2], dim=2) * existing

    def _no_cells(self, states: Tensor) -> tuple[Tensor, Tensor]:
        return states.new_zeros(len(states), 0, self.channels), states.new_zeros(len(states), 0, dtype=torch.bool)


def _start_alike(layers: nn.ModuleList) -> None:
    """Copy the weights of the first layer to all others, of which the last may have fewer."""
    first = layers[0].state_dict()
    for layer in layers[1:]:
        layer.load_state_dict({name: first[name] for name in layer.state_dict()})


def _trace_shares(trace: Trace, shares: Sequence[Tensor]) -> None:
    """Add attention maps of one head, [B, 1, T, S + T], to a trace."""
    for share in shares:  # [B, T, S]
        own = torch.diag_embed(1 - share.sum(-1))
        trace.attention.append(torch.cat([share, own], dim=-1)[:, None])
    trace.cells = torch.arange(shares[0].shape[2])[None]
