"""BERT's post-norm layer, with queries that may read other states than themselves."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from hvpkit.model.text.prefix_attention import attention_weights

SPREAD = 0.02  # the standard deviation of BERT's first weights
EPSILON = 1e-12


def init_weights(module: nn.Module) -> None:
    """Draw a linear map's first weights as BERT's are."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=SPREAD)
        nn.init.zeros_(module.bias)


class CrossLayer(nn.Module):
    """Queries [B, T, d] attend to `seen` [B, S, d], then a feed-forward map of 4d; residuals and norms as in BERT.

    With the queries themselves as `seen` it is BERT's own layer. Where a row sees nothing its attention gives 0.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, nn.Dropout(dropout)
        self.query, self.key, self.value, self.output = (nn.Linear(width, width) for _ in range(4))
        self.feedforward = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.attention_norm, self.feedforward_norm = (nn.LayerNorm(width, eps=EPSILON) for _ in range(2))

    def forward(self, queries: Tensor, seen: Tensor, mask: Tensor) -> Tensor:
        """Give [B, T, d]; `mask` [B, S] bool says what of `seen` exists."""
        attended = self.dropout(self.output(self._attend(queries, seen, mask)))
        states = self.attention_norm(queries + attended)
        result: Tensor = self.feedforward_norm(states + self.dropout(self.feedforward(states)))
        return result

    def _attend(self, queries: Tensor, seen: Tensor, mask: Tensor) -> Tensor:
        if seen.shape[1] == 0:
            return queries * 0
        anything = mask.any(1)[:, None, None]
        query, key, value = self._split(self.query(queries)), self._split(self.key(seen)), self._split(self.value(seen))
        visible = (mask[:, None, :] | ~anything)[:, None]  # [B, 1, 1, S]: no kernel is asked for a softmax over nothing
        rate = self.dropout.p if self.training else 0.0
        mixed = scaled_dot_product_attention(query, key, value, visible, dropout_p=rate)
        return mixed.transpose(1, 2).flatten(2) * anything

    def attention(self, queries: Tensor, seen: Tensor, mask: Tensor) -> Tensor:
        """Give the attention map [B, H, T, S] of the same inputs; rows sum to 1, or are 0 where nothing is seen."""
        query, key = self._split(self.query(queries)), self._split(self.key(seen))
        return attention_weights(query, key, mask[:, None, None, :], None)

    def _split(self, states: Tensor) -> Tensor:
        batch, length, width = states.shape
        return states.view(batch, length, self.heads, width // self.heads).transpose(1, 2)


class CrossStack(nn.Module):
    """Layers in which the same `seen` is read again and again."""

    def __init__(self, layers: int, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(CrossLayer(width, heads, dropout) for _ in range(layers))

    def forward(self, queries: Tensor, seen: Tensor, mask: Tensor) -> Tensor:
        """Give [B, T, d] from queries [B, T, d], `seen` [B, S, d] and its mask [B, S]."""
        for layer in self.layers:
            queries = layer(queries, seen, mask)
        return queries

    def attention(self, queries: Tensor, seen: Tensor, mask: Tensor) -> list[Tensor]:
        """Give each layer's attention map [B, H, T, S]."""
        found = []
        for layer in self.layers:
            assert isinstance(layer, CrossLayer)
            found.append(layer.attention(queries, seen, mask))
            queries = layer(queries, seen, mask)
        return found
