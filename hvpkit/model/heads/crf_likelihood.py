"""Log likelihood of tags under a linear-chain CRF: pytorch-crf on a CPU, a parallel scan on a GPU.

A loop over words is fast on a CPU, but on a GPU the launch of many small kernels dominates.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchcrf import CRF

MAX_TAGS = 24  # the scan needs B*n/2*L^3 numbers, too much memory for more tags
LOG_ZERO = -10_000.0  # logarithm of a probability that is 0 in fp32


def log_likelihoods(crf: CRF, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
    """Compute the log likelihood of each sequence of tags, [B].

    Args:
        crf: The CRF.
        emissions: Emissions, [B, n, L].
        tags: Tags, [B, n].
        mask: True up to the end of each sequence and at least at its start, [B, n] bool.
    """
    if emissions.device.type == "cpu" or crf.num_tags > MAX_TAGS:
        likelihoods: Tensor = crf(emissions, tags, mask=mask, reduction="none")
        return likelihoods
    return gold_scores(crf, emissions, tags, mask) - log_partition(crf, emissions, mask)


def gold_scores(crf: CRF, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
    """Compute the unnormalized score of each given path, [B].

    Args:
        crf: The CRF.
        emissions: Emissions, [B, n, L].
        tags: Tags of the paths, [B, n].
        mask: True up to the end of each sequence and at least at its start, [B, n] bool.
    """
    gold = ((tags[..., None] == torch.arange(crf.num_tags, device=tags.device)) & mask[..., None]).to(emissions.dtype)
    last = gold * (mask & ~_shifted(mask))[..., None]
    moves = torch.einsum("bni,bnj->bij", gold[:, :-1], gold[:, 1:])
    score: Tensor = (emissions * gold).sum((1, 2)) + (crf.transitions * moves).sum((1, 2))
    score = score + gold[:, 0] @ crf.start_transitions + last.sum(1) @ crf.end_transitions
    return score


def log_partition(crf: CRF, emissions: Tensor, mask: Tensor) -> Tensor:
    """Compute the log partition function of each sequence, [B].

    Adjacent transition matrices are combined in parallel until one is left.

    Args:
        crf: The CRF.
        emissions: Emissions, [B, n, L].
        mask: True up to the end of each sequence and at least at its start, [B, n] bool.

    Source: Särkkä & García-Fernández 2021, parallel scan.
    """
    first_scores = crf.start_transitions + emissions[:, 0]  # [B, L]
    identity = torch.full_like(crf.transitions, LOG_ZERO).fill_diagonal_(0.0)  # for padding
    steps = torch.where(
        mask[:, 1:, None, None], crf.transitions + emissions[:, 1:, None, :], identity
    )  # [B, n-1, L, L]
    steps = torch.cat([steps, identity.expand(len(steps), _to_power_of_two(steps.shape[1]), -1, -1)], dim=1)
    while steps.shape[1] > 1:
        left, right = steps.reshape(len(steps), -1, 2, *steps.shape[2:]).unbind(2)
        steps = torch.logsumexp(left[..., None] + right[:, :, None], dim=3)
    last_scores = torch.logsumexp(first_scores[:, :, None] + steps[:, 0], dim=1)
    return torch.logsumexp(last_scores + crf.end_transitions, dim=1)


def _to_power_of_two(number: int) -> int:
    """Return the difference to the next power of two."""
    return (1 << max(number - 1, 0).bit_length()) - number


def _shifted(mask: Tensor) -> Tensor:
    """Return the mask of the next position, [B, n]."""
    return torch.cat([mask[:, 1:], torch.zeros_like(mask[:, :1])], dim=1)
