"""Graph layer: attention within words and within objects, then gated messages between both."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

MASKED = -1e4  # score of what is masked, also in bf16


@dataclass(frozen=True)
class LayerSizes:
    """Sizes of a graph layer.

    Attributes:
        width: Width g of the nodes.
        feedforward: Width of the feed-forward maps.
        heads: Number of attention heads; it divides g.
        dropout: Dropout probability of attention weights and residual branches.
    """

    width: int
    feedforward: int
    heads: int
    dropout: float


@dataclass(frozen=True)
class Graph:
    """The nodes that exist in a batch, and the edges between words and objects.

    Attributes:
        words: Positions of the text that are not padding, [B, T] bool.
        objects: Objects that exist, [B, S] bool.
        edges: 1 where a position and an object are linked, else 0, [B, T, S].
    """

    words: Tensor
    objects: Tensor
    edges: Tensor


def xavier_linear(inputs: int, outputs: int) -> nn.Linear:
    """Build a linear map with weights by Xavier's uniform initialization and biases 0."""
    linear = nn.Linear(inputs, outputs)
    nn.init.xavier_uniform_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear


class SelfAttention(nn.Module):
    """Multi-head attention among nodes of one kind; without `has_values` it mixes the nodes themselves.

    The maps of queries and keys start equal.

    Args:
        sizes: Sizes of the layer.
        has_values: Whether nodes are mapped to values, and the result by an output map.

    Source: TransformersWsz/UMGF, `model/utils.py`.
    """

    def __init__(self, sizes: LayerSizes, has_values: bool) -> None:
        super().__init__()
        width = sizes.width
        self.heads, self.dropout = sizes.heads, nn.Dropout(sizes.dropout)
        self.query, self.key = xavier_linear(width, width), xavier_linear(width, width)
        self.key.load_state_dict(self.query.state_dict())
        self.value = xavier_linear(width, width) if has_values else nn.Identity()
        self.output = xavier_linear(width, width) if has_values else nn.Identity()

    def forward(self, nodes: Tensor, mask: Tensor) -> Tensor:
        """Compute what each node receives, [B, M, g], from nodes [B, M, g] and a mask of those that exist [B, M]."""
        query, key, value = (self._split(part(nodes)) for part in (self.query, self.key, self.value))
        scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5  # [B, H, M, M]
        weights = self.dropout(scores.masked_fill(~mask[:, None, None, :], MASKED).softmax(-1))
        mixed: Tensor = self.output((weights.to(value.dtype) @ value).transpose(1, 2).flatten(2))
        return mixed

    def _split(self, nodes: Tensor) -> Tensor:
        batch, number, width = nodes.shape
        return nodes.view(batch, number, self.heads, width // self.heads).transpose(1, 2)


class MessageUpdate(nn.Module):
    """Update of nodes of one kind by messages of the other kind: gates, residuals, norms and a feed-forward map.

    Args:
        sizes: Sizes of the layer.

    Source: TransformersWsz/UMGF, `ddp_mmner.py`.
    """

    def __init__(self, sizes: LayerSizes) -> None:
        super().__init__()
        width = sizes.width
        self.gate, self.dropout = xavier_linear(2 * width, width), nn.Dropout(sizes.dropout)
        self.feedforward = nn.Sequential(
            xavier_linear(width, sizes.feedforward), nn.ReLU(), xavier_linear(sizes.feedforward, width)
        )
        self.message_norm, self.feedforward_norm = nn.LayerNorm(width), nn.LayerNorm(width)

    def gates(self, words: Tensor, objects: Tensor) -> Tensor:
        """Compute the gates of all pairs, [B, T, S, g], from words [B, T, g] and objects [B, S, g]."""
        word_part, object_part = self.gate.weight.chunk(2, dim=1)  # of [x_i ; o_j]
        from_objects = nn.functional.linear(objects, object_part, self.gate.bias)
        return (nn.functional.linear(words, word_part)[:, :, None] + from_objects[:, None]).sigmoid()

    def forward(self, nodes: Tensor, message: Tensor) -> Tensor:
        """Compute the updated nodes [B, M, g] from nodes and the sum of their messages, both [B, M, g]."""
        nodes = self.add_message(nodes, message)
        result: Tensor = self.feedforward_norm(nodes + self.dropout(self.feedforward(nodes)))
        return result

    def add_message(self, nodes: Tensor, message: Tensor) -> Tensor:
        """Add messages to nodes, both [B, M, g], and normalize."""
        result: Tensor = self.message_norm(nodes + self.dropout(message))
        return result


class GraphLayer(nn.Module):
    """Attention within words and within objects, then messages between both; both directions read the same nodes.

    Args:
        sizes: Sizes of the layer.
        updates_objects: Whether objects receive messages. The last layer leaves this out.

    Source: Zhang et al. 2021; TransformersWsz/UMGF, `ddp_mmner.py`.
    """

    def __init__(self, sizes: LayerSizes, updates_objects: bool = True) -> None:
        super().__init__()
        self.word_attention, self.object_attention = SelfAttention(sizes, True), SelfAttention(sizes, False)
        self.word_norm, self.object_norm = nn.LayerNorm(sizes.width), nn.LayerNorm(sizes.width)
        self.dropout = nn.Dropout(sizes.dropout)
        self.word_update = MessageUpdate(sizes)
        self.object_update = MessageUpdate(sizes) if updates_objects else None

    def forward(
        self, words: Tensor, objects: Tensor, graph: Graph, shares: list[Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Compute words and objects of the next layer.

        Args:
            words: Words, [B, T, g].
            objects: Objects, [B, S, g].
            graph: Nodes that exist, and edges.
            shares: Receives the share of each object in what a word becomes, [B, T, S].

        Returns:
            Words [B, T, g] and objects [B, S, g].
        """
        words, objects = self.attend(words, objects, graph)
        to_words = self.messages_to_words(words, objects, graph)  # [B, T, S, g]
        if shares is not None:
            shares.append(message_shares(words, to_words))
        new_words = self.word_update(words, to_words.sum(2))
        if self.object_update is None:
            return new_words, objects
        return new_words, self.object_update(objects, self.messages_to_objects(words, objects, graph).sum(1))

    def attend(self, words: Tensor, objects: Tensor, graph: Graph) -> tuple[Tensor, Tensor]:
        """Apply the attention within words and within objects, with residuals and norms."""
        words = self.word_norm(words + self.dropout(self.word_attention(words, graph.words)))
        objects = self.object_norm(objects + self.dropout(self.object_attention(objects, graph.objects)))
        return words, objects

    def messages_to_words(self, words: Tensor, objects: Tensor, graph: Graph) -> Tensor:
        """Compute the messages e_ij gamma_ij o_j, [B, T, S, g]."""
        return graph.edges[..., None] * self.word_update.gates(words, objects) * objects[:, None]

    def messages_to_objects(self, words: Tensor, objects: Tensor, graph: Graph) -> Tensor:
        """Compute the messages e_ij delta_ji x_i, [B, T, S, g]."""
        assert self.object_update is not None
        return graph.edges[..., None] * self.object_update.gates(words, objects) * words[:, :, None]


def message_shares(words: Tensor, messages: Tensor) -> Tensor:
    """Compute the share of each object in what a word becomes: norms, as fractions of their sum with the word's own.

    Args:
        words: Words before the messages, [B, T, g].
        messages: Messages of each object to each word, [B, T, S, g].

    Returns:
        Shares [B, T, S]; the rest up to 1 is that of the word.

    Source: own.
    """
    sizes: Tensor = messages.detach().float().norm(dim=-1)
    own: Tensor = words.detach().float().norm(dim=-1, keepdim=True)
    return sizes / (sizes.sum(-1, keepdim=True) + own).clamp(min=torch.finfo(torch.float32).tiny)
