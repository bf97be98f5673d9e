"""Relation head of PCNN: max-pooling in three segments."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import relu

from hvpkit.interfaces import Fused, HeadContext, TextBatch
from hvpkit.model.heads.classifiers import RelationHead

SEGMENTS = 3


class PiecewiseMaxHead(RelationHead):
    """Linear map of the maxima of the states [B, T, w] in each of three segments, concatenated to [B, 3w].

    The first segment ends at the first word of the entity that comes first, the second at that of the other entity;
    the third has the remaining positions. Padding is in none. A segment without positions gives 0. OpenNRE subtracts
    100 outside of a segment and applies ReLU; here positions outside are masked, which is the same as long as no value
    exceeds 100.

    Args:
        context: Labels and the width w of the states.
        dropout: Dropout probability of the maxima.
        activation: "relu" before the maxima, or "tanh" after them.

    Source: thunlp/OpenNRE, after Zeng et al. 2015.
    """

    def __init__(self, context: HeadContext, dropout: float, activation: str) -> None:
        super().__init__(context, SEGMENTS * context.width, dropout)
        self.activation = activation

    def relation_features(self, fused: Fused, text: TextBatch) -> Tensor:
        """Compute the maxima of the three segments, [B, 3w].

        Raises:
            ValueError: The fusion returns no states.
        """
        if fused.states is None:
            raise ValueError("piecewise-max needs states [B, T, w], but the fusion returns none.")
        segments = piecewise_segments(text)
        maxima = [self._largest(fused.states, segments == number) for number in range(1, SEGMENTS + 1)]
        return torch.cat(maxima, dim=-1)

    def _largest(self, states: Tensor, inside: Tensor) -> Tensor:
        if self.activation == "relu":
            return relu(states).masked_fill(~inside[..., None], 0).amax(1)
        largest = states.masked_fill(~inside[..., None], -torch.inf).amax(1)
        return largest.masked_fill(~inside.any(1, keepdim=True), 0).tanh()


def piecewise_segments(text: TextBatch) -> Tensor:
    """Compute the segment of each position, 1 to 3, or 0 for padding: [B, T].

    Raises:
        ValueError: The batch has no positions of head and tail.
    """
    if text.head_position is None or text.tail_position is None:
        raise ValueError("Segments need the positions of head and tail.")
    positions = torch.arange(text.mask.shape[1], device=text.mask.device)[None]
    starts = torch.stack([text.head_position, text.tail_position])
    first, second = starts.amin(0)[:, None], starts.amax(0)[:, None]
    return (1 + (positions > first).long() + (positions > second).long()) * text.mask
