"""Attention of words to image cells, and of attended cells back to words."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Compute attention weights in fp32 over the last dimension; a row without keys has weights 0.

    Args:
        scores: Scores [B, T, S].
        mask: Keys that exist, [B, S] bool.

    Returns:
        Weights [B, T, S] of the dtype of the scores.
    """
    exists = mask[:, None]  # [B, 1, S]
    weights = scores.float().masked_fill(~exists, torch.finfo(torch.float32).min).softmax(-1)
    return (weights * exists).to(scores.dtype)


class ConcatAttention(nn.Module):
    """Scores `w · tanh([W_q q ; W_k k])`, of which only the half of the keys matters.

    The scorer is linear above the concatenation, so that the score is a sum of a term of the query and a term of the
    key. The softmax over keys cancels the first, and all biases of the scorer. What cancels has no parameter here, and
    the weights are the same for all queries.

    Args:
        width: Width k of keys and queries.
        bias: Whether W_k has a bias.
        channels: Width of the keys if it is not k.

    Source: Zhang et al. 2018; the reduction is own.
    """

    def __init__(self, width: int, *, bias: bool = False, channels: int | None = None) -> None:
        super().__init__()
        self.key = nn.Linear(channels or width, width, bias=bias)
        self.score = nn.Linear(width, 1, bias=False)

    def forward(self, queries: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
        """Compute weights [B, 1, S] for all queries from keys [B, S, k] and their mask [B, S]."""
        return self.weights(self.key(keys), mask)

    def weights(self, projected: Tensor, mask: Tensor) -> Tensor:
        """Compute weights [B, 1, S] from keys that were projected before, [B, S, k]."""
        return masked_softmax(self.score(projected.tanh()).transpose(1, 2), mask)


class AddAttention(nn.Module):
    """Scores `w · tanh(W_q q + b + W_k k)`: each query has its own weights.

    Args:
        width: Width k of keys and queries.

    Source: own, after Bahdanau et al. 2015.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width, bias=False)
        self.score = nn.Linear(width, 1, bias=False)

    def forward(self, queries: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
        """Compute weights [B, T, S] from queries [B, T, k], keys [B, S, k] and their mask [B, S]."""
        combined = self.query(queries)[:, :, None] + self.key(keys)[:, None]  # [B, T, S, k]
        return masked_softmax(self.score(combined.tanh()).squeeze(-1), mask)
