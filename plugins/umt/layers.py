"""BERT's post-norm layer with cross-attention."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from hvpkit.model.text.prefix_attention import attention_weights

INIT_STD = 0.02  # of BERT's initial weights
EPSILON = 1e-12


def init_weights(module: nn.Module) -> None:
    """Initialize a linear map as BERT does: weights from N(0, 0.02), biases 0."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=INIT_STD)
        nn.init.zeros_(module.bias)


class CrossLayer(nn.Module):
    """Attention of queries [B, T, d] to keys [B, S, d] and a feed-forward map of 4d, with BERT's residuals and norms.

    With keys equal to the queries it is a layer of BERT. A row without keys has an attention output of 0.

    Args:
        width: Width d of the states.
        heads: Number of attention heads; it divides d.
        dropout: Dropout probability of attention weights and outputs.

    Source: jefferyYu/UMT.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, nn.Dropout(dropout)
        self.query, self.key, self.value, self.output = (nn.Linear(width, width) for _ in range(4))
        self.feedforward = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.attention_norm, self.feedforward_norm = (nn.LayerNorm(width, eps=EPSILON) for _ in range(2))

    def forward(self, queries: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
        """Compute the layer's states.

        Args:
            queries: States that attend, [B, T, d].
            keys: States that are attended to, [B, S, d].
            mask: Keys that exist, [B, S] bool.

        Returns:
            States [B, T, d].
        """
        attended = self.dropout(self.output(self._attend(queries, keys, mask)))
        states = self.attention_norm(queries + attended)
        result: Tensor = self.feedforward_norm(states + self.dropout(self.feedforward(states)))
        return result

    def _attend(self, queries: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
        if keys.shape[1] == 0:
            return queries * 0
        has_keys = mask.any(1)[:, None, None]
        query, key, value = self._split(self.query(queries)), self._split(self.key(keys)), self._split(self.value(keys))
        visible = (mask[:, None, :] | ~has_keys)[:, None]  # [B, 1, 1, S]: avoids a softmax over no keys
        p = self.dropout.p if self.training else 0.0
        mixed = scaled_dot_product_attention(query, key, value, visible, dropout_p=p)
        return mixed.transpose(1, 2).flatten(2) * has_keys

    def attention(self, queries: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
        """Compute the attention map [B, H, T, S] of the same inputs; rows sum to 1, or to 0 without keys."""
        query, key = self._split(self.query(queries)), self._split(self.key(keys))
        return attention_weights(query, key, mask[:, None, None, :], None)

    def _split(self, states: Tensor) -> Tensor:
        batch, length, width = states.shape
        return states.view(batch, length, self.heads, width // self.heads).transpose(1, 2)


class CrossStack(nn.Module):
    """Stack of cross-attention layers over the same keys.

    Args:
        layers: Number of layers.
        width: Width d of the states.
        heads: Number of attention heads.
        dropout: Dropout probability.

    Source: jefferyYu/UMT.
    """

    def __init__(self, layers: int, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(CrossLayer(width, heads, dropout) for _ in range(layers))

    def forward(self, queries: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
        """Compute states [B, T, d] from queries [B, T, d], keys [B, S, d] and their mask [B, S]."""
        for layer in self.layers:
            queries = layer(queries, keys, mask)
        return queries

    def attention(self, queries: Tensor, keys: Tensor, mask: Tensor) -> list[Tensor]:
        """Compute the attention map [B, H, T, S] of each layer."""
        maps = []
        for layer in self.layers:
            assert isinstance(layer, CrossLayer)
            maps.append(layer.attention(queries, keys, mask))
            queries = layer(queries, keys, mask)
        return maps
