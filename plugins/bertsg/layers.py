"""Pooling of objects to one vector: their mean, or a mean weighted by attention."""

from __future__ import annotations

import math

from torch import Tensor, nn


class ObjectMean(nn.Module):
    """Mean of the objects that exist; 0 without any.

    Source: own.
    """

    def forward(self, relation: Tensor, objects: Tensor, exists: Tensor) -> tuple[Tensor, Tensor]:
        """Pool objects.

        Args:
            relation: Relation vectors, [B, w]; not used.
            objects: Objects, [B, S, w].
            exists: Objects that exist, [B, S] bool.

        Returns:
            Pooled objects [B, w], and the weight of each object [B, S].
        """
        weights = exists / exists.sum(1, keepdim=True).clamp(min=1)
        return _weighted_sum(weights, objects), weights


class ObjectAttention(nn.Module):
    """Mean of the objects that exist, weighted by single-head attention of the relation to them; 0 without any.

    Args:
        width: Width w of relation vectors and objects.

    Source: own.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.scale = math.sqrt(width)

    def forward(self, relation: Tensor, objects: Tensor, exists: Tensor) -> tuple[Tensor, Tensor]:
        """Pool objects, with the arguments and results of `ObjectMean`."""
        scores = (self.key(objects) @ self.query(relation)[..., None])[..., 0] / self.scale  # [B, S]
        weights = scores.float().masked_fill(~exists, -1e4).softmax(-1) * exists
        return _weighted_sum(weights, self.value(objects)), weights


def _weighted_sum(weights: Tensor, objects: Tensor) -> Tensor:
    return (weights[:, None].to(objects.dtype) @ objects)[:, 0]
