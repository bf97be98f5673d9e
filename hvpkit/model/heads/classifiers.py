"""Heads for relations: a linear map and a softmax over the classes."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from hvpkit.interfaces import EncodedText, Fused, Head, HeadContext, TextBatch
from hvpkit.types import Example, Relation


class RelationHead(Head):
    """Map features [B, w'] to logits [B, classes]; the confidence of a class is its softmax.

    Args:
        context: What the head is built from.
        width: Width w' of the features.
        dropout: Dropout probability.
    """

    graph_safe = True

    def __init__(self, context: HeadContext, width: int, dropout: float) -> None:
        super().__init__()
        self.labels = context.labels
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(width, len(self.labels.names))

    @abstractmethod
    def relation_features(self, fused: Fused, text: TextBatch) -> Tensor:
        """Return the features of the relation, [B, w']."""

    def build_targets(self, example: Example, encoded: EncodedText) -> dict[str, Tensor]:
        """Return the index of the gold class, a scalar."""
        return {"relation": torch.tensor(self.labels.index(str(example.relation)))}

    def forward(self, fused: Fused, text: TextBatch) -> Tensor:
        """Compute logits [B, classes] in fp32."""
        logits: Tensor = self.linear(self.dropout(self.relation_features(fused, text)))
        return logits.float()

    def loss(self, scores: Tensor, text: TextBatch, targets: dict[str, Tensor]) -> Tensor:
        """Compute the mean cross-entropy of the batch."""
        return cross_entropy(scores, targets["relation"])

    @torch.no_grad()
    def decode(self, scores: Tensor, text: TextBatch) -> list[Relation]:
        """Return the classes of each row, most probable first."""
        return [self._relation(row) for row in scores.softmax(-1).cpu()]

    def _relation(self, probabilities: Tensor) -> Relation:
        order = probabilities.argsort(descending=True, stable=True).tolist()
        ranked = tuple((self.labels.names[i], float(probabilities[i])) for i in order)
        return Relation(*ranked[0], ranked)


def entity_start_states(states: Tensor, text: TextBatch) -> Tensor:
    """Return the states at the positions of head and tail, concatenated: [B, 2w].

    Args:
        states: States, [B, T, w].
        text: The texts.

    Raises:
        ValueError: The batch has no positions of head and tail.
    """
    if text.head_position is None or text.tail_position is None:
        raise ValueError("The batch has no positions of the entities head and tail.")
    starts = torch.stack([text.head_position, text.tail_position], dim=1)  # [B, 2]
    return states.gather(1, starts[..., None].expand(-1, -1, states.shape[-1])).flatten(1)


class EntityStartHead(RelationHead):
    """Classify the concatenated states [B, 2w] at the starts of the head and tail entity.

    Args:
        context: What the head is built from.
        dropout: Dropout probability.

    Source: code released with Chen et al. 2022; the published MNRE results come from it.
    """

    def __init__(self, context: HeadContext, dropout: float) -> None:
        super().__init__(context, 2 * context.width, dropout)

    def relation_features(self, fused: Fused, text: TextBatch) -> Tensor:
        """Return both start states, concatenated [B, 2w]."""
        if fused.states is None:
            raise ValueError("The head entity-start requires states [B, T, w], which this fusion does not return.")
        return entity_start_states(fused.states, text)


class ClsHead(RelationHead):
    """Classify the pooled state [B, w].

    Args:
        context: What the head is built from.
        dropout: Dropout probability.

    Source: Chen et al. 2022, eq. 11.
    """

    def __init__(self, context: HeadContext, dropout: float) -> None:
        super().__init__(context, context.width, dropout)

    def relation_features(self, fused: Fused, text: TextBatch) -> Tensor:
        """Return the pooled state, [B, w]."""
        if fused.pooled is None:
            raise ValueError("The head cls requires a pooled state [B, w], which this fusion does not return.")
        return fused.pooled
