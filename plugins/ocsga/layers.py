"""Dense co-attention: self-attention of words, self-attention of object words, and attention between them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

MASKED = -1e9  # score of a masked key: a row without keys attends to all of them alike
EPSILON = 1e-6


class UnbiasedNorm(nn.Module):
    """Layer norm `a (x - mean) / (std + 1e-6) + b` with the unbiased standard deviation.

    Args:
        width: Width of the states.

    Source: softhuafei/Pytorch-implementation-for-OCSGA, `model/net_utils.py`.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, states: Tensor) -> Tensor:
        """Normalize states [..., width] in fp32."""
        centered = states.float() - states.float().mean(-1, keepdim=True)
        variance = centered.square().sum(-1, keepdim=True) / (states.shape[-1] - 1)
        deviation = variance.clamp(min=1e-24).sqrt()  # dropout may leave zeros only, where sqrt has no gradient
        return self.weight * centered / (deviation + EPSILON) + self.bias


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention with an output map.

    Args:
        width: Width d of the states.
        heads: Number of attention heads; it divides d.
        dropout: Dropout probability of the attention weights.

    Source: softhuafei/Pytorch-implementation-for-OCSGA, `model/mca.py`.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, nn.Dropout(dropout)
        self.query, self.key, self.value, self.output = (nn.Linear(width, width) for _ in range(4))

    def forward(self, queries: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
        """Compute attended states [B, T, d] from queries [B, T, d], keys [B, S, d] and their mask [B, S]."""
        weights = self.dropout(self.weights(queries, keys, mask))
        mixed: Tensor = self.output((weights @ self._split(self.value(keys))).transpose(1, 2).flatten(2))
        return mixed

    def weights(self, queries: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
        """Compute attention weights [B, H, T, S]; rows sum to 1, also those without keys."""
        query, key = self._split(self.query(queries)), self._split(self.key(keys))
        scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
        weights: Tensor = scores.masked_fill(~mask[:, None, None, :], MASKED).softmax(-1)
        return weights

    def _split(self, states: Tensor) -> Tensor:
        batch, length, width = states.shape
        return states.view(batch, length, self.heads, width // self.heads).transpose(1, 2)


def feed_forward(width: int, dropout: float) -> nn.Sequential:
    """Build the feed-forward map of 4d."""
    return nn.Sequential(nn.Linear(width, 4 * width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(4 * width, width))


class SelfAttentionLayer(nn.Module):
    """Self-attention and a feed-forward map, with residuals: SA.

    Args:
        width: Width d of the states.
        heads: Number of attention heads.
        dropout: Dropout probability.

    Source: Wu et al. 2020; softhuafei/Pytorch-implementation-for-OCSGA, `model/mca.py`.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention, self.dropout = MultiHeadAttention(width, heads, dropout), nn.Dropout(dropout)
        self.feedforward = feed_forward(width, dropout)
        self.attention_norm, self.feedforward_norm = UnbiasedNorm(width), UnbiasedNorm(width)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Compute states [B, T, d] from states and their mask [B, T]."""
        states = self.attention_norm(states + self.dropout(self.attention(states, states, mask)))
        result: Tensor = self.feedforward_norm(states + self.dropout(self.feedforward(states)))
        return result


class ObjectLayer(nn.Module):
    """Self-attention of object words, their attention to the text, and a feed-forward map, with residuals.

    Args:
        width: Width d of the states.
        heads: Number of attention heads.
        dropout: Dropout probability.

    Source: softhuafei/Pytorch-implementation-for-OCSGA, `model/mca.py`; only with more than one layer.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.self_attention, self.text_attention = (MultiHeadAttention(width, heads, dropout) for _ in range(2))
        self.feedforward, self.dropout = feed_forward(width, dropout), nn.Dropout(dropout)
        self.self_norm, self.text_norm, self.feedforward_norm = (UnbiasedNorm(width) for _ in range(3))

    def forward(self, objects: Tensor, exists: Tensor, words: Tensor, mask: Tensor) -> Tensor:
        """Compute states of object words.

        Args:
            objects: Object words [B, W, d].
            exists: Object words that exist, [B, W] bool.
            words: States of the text, [B, T, d].
            mask: Positions that are not padding, [B, T] bool.
        """
        objects = self.self_norm(objects + self.dropout(self.self_attention(objects, objects, exists)))
        objects = self.text_norm(objects + self.dropout(self.text_attention(objects, words, mask)))
        result: Tensor = self.feedforward_norm(objects + self.dropout(self.feedforward(objects)))
        return result


class GuidedLayer(nn.Module):
    """Attention of words to object words without residuals, so that words receive nothing but objects.

    Args:
        width: Width d of the states.
        heads: Number of attention heads.
        dropout: Dropout probability.

    Source: Wu et al. 2020; softhuafei/Pytorch-implementation-for-OCSGA, `model/mca.py`.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.object_attention, self.attention = (MultiHeadAttention(width, heads, dropout) for _ in range(2))
        self.feedforward, self.dropout = feed_forward(width, dropout), nn.Dropout(dropout)
        self.object_norm, self.attention_norm, self.feedforward_norm = (UnbiasedNorm(width) for _ in range(3))

    def objects(self, objects: Tensor, exists: Tensor) -> Tensor:
        """Compute object words [B, W, d] after their self-attention, which has a residual."""
        attended = self.dropout(self.object_attention(objects, objects, exists))
        result: Tensor = self.object_norm(objects + attended)
        return result

    def forward(self, words: Tensor, objects: Tensor, exists: Tensor) -> Tensor:
        """Compute the guidance of each word.

        Args:
            words: States of the text, [B, T, d].
            objects: Object words as `objects` returns them, [B, W, d].
            exists: Object words that exist, [B, W] bool.

        Returns:
            What the objects add to each word, [B, T, d].
        """
        attended = self.attention_norm(self.dropout(self.attention(words, objects, exists)))
        result: Tensor = self.feedforward_norm(self.dropout(self.feedforward(attended)))
        return result


class PaddedBatchNorm(nn.BatchNorm1d):
    """Batch norm of padded states, whose batch statistics leave out what a mask excludes.

    Source: own; with everything included it is torch's.
    """

    def forward(self, states: Tensor, mask: Tensor | None = None) -> Tensor:
        """Normalize states in fp32.

        Args:
            states: States [B, T, d].
            mask: Positions that count in training, [B, T] bool; not None.
        """
        assert mask is not None and self.running_mean is not None and self.running_var is not None
        states, mean, variance = states.float(), self.running_mean, self.running_var
        if self.training:
            weights = mask[..., None].to(states.dtype)
            count = weights.sum()
            mean = (states * weights).sum((0, 1)) / count
            variance = ((states - mean).square() * weights).sum((0, 1)) / count
            self._update(mean.detach(), variance.detach(), count)
        normalized = (states - mean) * (variance + self.eps).rsqrt()
        return normalized * self.weight + self.bias

    def _update(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        """Update the running statistics; the variance is unbiased, as in torch."""
        assert self.running_mean is not None and self.running_var is not None and self.momentum is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * count / (count - 1).clamp(min=1), self.momentum)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
