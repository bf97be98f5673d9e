"""The head of PCNN."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import relu

from hvpkit.interfaces import Fused, HeadContext, TextBatch
from hvpkit.model.heads.classifiers import RelationHead

SEGMENTS = 3


class PiecewiseMaxHead(RelationHead):
    """Reads, for each number of the states, its largest value in each of three segments, side by side [B, 3w].

    A position is in the first segment up to the start of the entity that comes first, in the second up to the start of the other, else in
    the third; padding is in none. OpenNRE takes 100 off outside of a segment and lets ReLU make it 0; here what is outside is 0 by its
    place, which is the same as long as no value is above 100. A segment without positions gives 0.
    """

    def __init__(self, context: HeadContext, dropout: float, activation: str) -> None:
        super().__init__(context, SEGMENTS * context.width, dropout)
        self.activation = activation

    def relation_features(self, fused: Fused, text: TextBatch) -> Tensor:
        """Take the maxima."""
        if fused.states is None:
            raise ValueError("piecewise-max reads states [B, T, w], and this fusion gives none")
        parts = piecewise_segments(text)
        maxima = [self._largest(fused.states, parts == number) for number in range(1, SEGMENTS + 1)]
        return torch.cat(maxima, dim=-1)

    def _largest(self, states: Tensor, within: Tensor) -> Tensor:
        if self.activation == "relu":
            return relu(states).masked_fill(~within[..., None], 0).amax(1)
        largest = states.masked_fill(~within[..., None], -torch.inf).amax(1)
        return largest.masked_fill(~within.any(1, keepdim=True), 0).tanh()


def piecewise_segments(text: TextBatch) -> Tensor:
    """Number each position's segment, 1 to 3, [B, T]; padding's is 0."""
    if text.head_position is None or text.tail_position is None:
        raise ValueError("segments are cut by two entities, and this text has none")
    positions = torch.arange(text.mask.shape[1], device=text.mask.device)[None]
    starts = torch.stack([text.head_position, text.tail_position])
    first, second = starts.amin(0)[:, None], starts.amax(0)[:, None]
    return (1 + (positions > first).long() + (positions > second).long()) * text.mask
