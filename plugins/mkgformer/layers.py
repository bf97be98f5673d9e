"""Correlation-aware fusion of MKGformer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hvpkit.model.text.prefix_attention import MASKED


class CorrelationFusion(nn.Module):
    """Attention of the text's context to image tokens, unscaled and without projections, and a map to inner values.

    Args:
        width: Width d of the states.
        inner: Width F of the feed-forward map's inner values.

    Source: zjunlp/MKGformer.
    """

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, inner)  # W_3, b_3

    def aggregate(self, context: Tensor, tokens: Tensor, exists: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the image tokens that belong to each position.

        Args:
            context: Output of the text's attention before its output projection, c, [B, T, d].
            tokens: Output of the vision layer, U, [B, S, d].
            exists: Tokens that exist, [B, S] bool.

        Returns:
            G [B, T, d], and the weights of the tokens [B, T, S], which sum to 1, or to 0 without tokens.
        """
        with torch.autocast(context.device.type, enabled=False):  # unscaled scores are too large for bf16
            scores = context.float() @ tokens.float().transpose(1, 2)  # [B, T, S]
        weights = scores.masked_fill(~exists[:, None], MASKED).softmax(-1) * exists[:, None]
        return weights.to(tokens.dtype) @ tokens, weights

    def forward(self, context: Tensor, tokens: Tensor, exists: Tensor) -> tuple[Tensor, Tensor]:
        """Compute what is added to the inner values [B, T, F], 0 without tokens; and the weights of the tokens."""
        aggregated, weights = self.aggregate(context, tokens, exists)
        return self.linear(aggregated) * exists.any(1)[:, None, None], weights
