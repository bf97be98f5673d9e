"""The paper's heads for relations: a linear map and softmax over the classes."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from hvpkit.interfaces import EncodedText, Fused, Head, HeadContext, TextBatch
from hvpkit.types import Example, Relation


class RelationHead(Head):
    """A linear map of a summary [B, w'] to logits [B, classes]; cross-entropy; a class's confidence is its softmax."""

    def __init__(self, context: HeadContext, width: int, dropout: float) -> None:
        super().__init__()
        self.labels = context.labels
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(width, len(self.labels.names))

    @abstractmethod
    def relation_features(self, fused: Fused, text: TextBatch) -> Tensor:
        """Give what the class is read from, [B, w']."""

    def build_targets(self, example: Example, encoded: EncodedText) -> dict[str, Tensor]:
        """Give the gold class, a scalar."""
        return {"relation": torch.tensor(self.labels.index(str(example.relation)))}

    def forward(self, fused: Fused, text: TextBatch) -> Tensor:
        """Give logits [B, classes] in fp32."""
        logits: Tensor = self.linear(self.dropout(self.relation_features(fused, text)))
        return logits.float()

    def loss(self, scores: Tensor, text: TextBatch, targets: dict[str, Tensor]) -> Tensor:
        """Give the cross-entropy, mean over the batch."""
        return cross_entropy(scores, targets["relation"])

    @torch.no_grad()
    def decode(self, scores: Tensor, text: TextBatch) -> list[Relation]:
        """Give each row's classes, likeliest first."""
        return [self._relation(row) for row in scores.softmax(-1).cpu()]

    def _relation(self, probabilities: Tensor) -> Relation:
        order = probabilities.argsort(descending=True, stable=True).tolist()
        ranked = tuple((self.labels.names[i], float(probabilities[i])) for i in order)
        return Relation(*ranked[0], ranked)


class EntityStartHead(RelationHead):
    """Reads the states at the head's and the tail's start, side by side [B, 2w] (what the published MNRE numbers come from)."""

    def __init__(self, context: HeadContext, dropout: float) -> None:
        super().__init__(context, 2 * context.width, dropout)

    def relation_features(self, fused: Fused, text: TextBatch) -> Tensor:
        """Gather both start states."""
        if fused.states is None or text.head_position is None or text.tail_position is None:
            raise ValueError("entity-start reads states [B, T, w] and both entities' positions")
        starts = torch.stack([text.head_position, text.tail_position], dim=1)  # [B, 2]
        return fused.states.gather(1, starts[..., None].expand(-1, -1, fused.states.shape[-1])).flatten(1)


class ClsHead(RelationHead):
    """Reads the pooled state [B, w] (Chen et al. 2022, eq. 11)."""

    def __init__(self, context: HeadContext, dropout: float) -> None:
        super().__init__(context, context.width, dropout)

    def relation_features(self, fused: Fused, text: TextBatch) -> Tensor:
        """Take the pooled state."""
        if fused.pooled is None:
            raise ValueError("cls reads a pooled state [B, w], and this fusion gives none")
        return fused.pooled
