"""The loss over pairs of relation vectors, and the head of masked language modeling."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, gelu, linear

EPSILON = 1e-12


def matching_loss(vectors: Tensor, groups: Tensor, is_positive: Tensor) -> Tensor:
    """Compute the loss of pairs of sentences: is their entity pair the same?

    In each group, all pairs of two sentences with the group's entity pair, and of one such and another sentence, are
    scored by the dot product of their vectors. Pairs of two other sentences are not compared. The loss is the mean
    cross-entropy over the pairs of a group, and the mean over groups; 0 without any pair.

    Args:
        vectors: Relation vectors, [M, w].
        groups: Group of each sentence, [M].
        is_positive: Sentences with the entity pair of their group, [M] bool.

    Source: Soares et al. 2019, section 4.1; pairs and mean as in plkmo/BERT-Relation-Extraction.
    """
    rows, columns = torch.triu_indices(len(vectors), len(vectors), 1, device=vectors.device)
    compared = (groups[rows] == groups[columns]) & (is_positive[rows] | is_positive[columns])
    rows, columns = rows[compared], columns[compared]
    if not len(rows):
        return vectors.sum() * 0
    scores = (vectors[rows] * vectors[columns]).sum(-1).float()
    same = (is_positive[rows] & is_positive[columns]).float()
    losses = binary_cross_entropy_with_logits(scores, same, reduction="none")
    sums = losses.new_zeros(int(groups.max()) + 1).index_add(0, groups[rows], losses)
    counts = torch.bincount(groups[rows], minlength=len(sums))
    return (sums / counts.clamp(min=1)).sum() / (counts > 0).sum()


class MaskedLanguageHead(nn.Module):
    """BERT's head for masked language modeling: states [K, d] to logits [K, V], with the embeddings as last weights.

    Args:
        width: Width d of the states.
        vocab_size: Number V of wordpieces.

    Source: Devlin et al. 2019; transformers' BertLMPredictionHead.
    """

    def __init__(self, width: int, vocab_size: int) -> None:
        super().__init__()
        self.dense, self.norm = nn.Linear(width, width), nn.LayerNorm(width, eps=EPSILON)
        self.bias = nn.Parameter(torch.zeros(vocab_size))

    def forward(self, states: Tensor, embeddings: Tensor) -> Tensor:
        """Compute logits [K, V] in fp32.

        Args:
            states: States of masked wordpieces, [K, d].
            embeddings: Embedding of each wordpiece, [V, d].
        """
        return linear(self.norm(gelu(self.dense(states))), embeddings, self.bias).float()
