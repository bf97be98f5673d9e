"""Fusion of BERT+SG."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hvpkit.errors import ComponentError
from hvpkit.interfaces import (
    Fused,
    Fusion,
    FusionContext,
    TextBatch,
    TextEncoder,
    Trace,
    Visual,
    cell_width,
)
from hvpkit.model.heads.classifiers import entity_start_states

from .layers import ObjectAttention, ObjectMean


class BertSgFusion(Fusion):
    """Join the states at head and tail with the pooled objects by a linear map: pooled [B, 2d].

    Every cell of every image region counts as an object. Without images the objects' vector is 0.

    Args:
        context: Text encoder of width d, and backbone.
        attention: Weight objects by attention.
        all_levels: Read the channels of all levels of the backbone, not of the last one alone.

    Raises:
        ComponentError: "bert-sg-without-vision".

    Source: own, after one sentence of Zheng et al. 2021.
    """

    def __init__(self, context: FusionContext, attention: bool, all_levels: bool) -> None:
        super().__init__()
        if context.backbone is None:
            raise ComponentError("bert-sg-without-vision")
        self.width, self.all_levels = 2 * context.text.width, all_levels
        self.channels = cell_width(context.backbone.levels, all_levels)
        self.objects = nn.Linear(self.channels, self.width)
        self.pool = ObjectAttention(self.width) if attention else ObjectMean()
        self.join = nn.Linear(2 * self.width, self.width)

    def forward(
        self,
        encoder: TextEncoder,
        text: TextBatch,
        visual: Visual | None,
        extras: dict[str, Tensor],
        trace: Trace | None = None,
    ) -> Fused:
        """Compute pooled [B, 2d].

        Args:
            encoder: Text encoder.
            text: Batch of texts.
            visual: Image features; None: no images.
            extras: Not used.
            trace: Receives the weight of each object, [B, S], and the attention of the text encoder.

        Raises:
            ValueError: The batch has no positions of head and tail.
        """
        relation = entity_start_states(encoder(text, trace=trace).states, text)
        pooled = torch.zeros_like(relation) if visual is None else self.pooled_objects(relation, visual, trace)
        return Fused(pooled=self.join(torch.cat([relation, pooled.to(relation.dtype)], dim=-1)))

    def pooled_objects(self, relation: Tensor, visual: Visual, trace: Trace | None = None) -> Tensor:
        """Pool the mapped cells of all image regions: [B, 2d]."""
        cells, exists = visual.cells(self.all_levels)  # [B, S, C], [B, S]
        pooled: Tensor
        pooled, weights = self.pool(relation, self.objects(cells), exists)
        if trace is not None:
            trace.extra_tensors["object weights"] = weights.detach()
        return pooled
