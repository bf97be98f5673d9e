"""Alignment of words and objects inside of the network."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

MASKED = -1e4  # score of what is masked, also in bf16


class SemanticAlignment(nn.Module):
    """Attention of objects to words, of one head, with a sigmoid.

    Args:
        width: Width w of words and objects.

    Source: thecharm/Mega, `BERTEntityEncoder`.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))

    def forward(self, objects: Tensor, words: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the words that each object is aligned with.

        Args:
            objects: Objects, [B, S, w].
            words: Words, [B, T, w].
            mask: Words that may be attended to, [B, T] bool.

        Returns:
            Aligned words [B, S, w], and the attention [B, S, T].
        """
        scores = self.query(objects) @ self.key(words).transpose(1, 2) * words.shape[-1] ** -0.5
        weights = scores.masked_fill(~mask[:, None], MASKED).softmax(-1)
        return (weights.to(words.dtype) @ self.value(words)).sigmoid(), weights


def structural_weights(alignment: Tensor, mask: Tensor, cells: int, reshape_to: int | None) -> Tensor:
    """Turn the structural alignment of a batch into weights of words for each cell.

    Args:
        alignment: Rows by position, [B, T, V], 0 for padding.
        mask: Positions that count if the alignment is reshaped, which moves values to padding, [B, T] bool.
        cells: Cells P of each region.
        reshape_to: None to transpose the alignment. Otherwise the number of positions for which its values are read in
            the order of memory, as the authors' code does.

    Returns:
        Weights [B, V*P, T].

    Source: thecharm/Mega, `BERTEntityEncoder`.
    """
    batch, length, regions = alignment.shape
    if reshape_to is None:
        weights = alignment.transpose(1, 2)
    else:
        positions = pad(alignment, (0, 0, 0, reshape_to - length))  # [B, reshape_to, V]
        weights = pad(positions.reshape(batch, regions, reshape_to), (0, length - reshape_to)) * mask[:, None]
    return weights.repeat_interleave(cells, dim=1)


class ObjectSum(nn.Module):
    """Sum over objects of a linear map of what is aligned with each of them.

    Args:
        width: Width w of the result.
        parts: Number of alignments, each [B, S, w].

    Source: thecharm/Mega, `BERTEntityEncoder`.
    """

    def __init__(self, width: int, parts: int) -> None:
        super().__init__()
        self.linear = nn.Linear(parts * width, width)

    def forward(self, aligned: list[Tensor], exists: Tensor) -> Tensor:
        """Compute the sum [B, w] over the objects that exist [B, S] bool; each of them adds the bias."""
        mapped = self.linear(torch.cat(aligned, dim=-1))  # [B, S, w]
        total: Tensor = (mapped * exists[..., None]).sum(1)
        return total
