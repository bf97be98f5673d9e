"""The likelihood of gold tags under a linear-chain CRF: pytorch-crf's walk on a CPU, half as many steps after half as many on a GPU.

A walk from word to word is quick on a CPU; a GPU spends it waiting for the next small kernel.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchcrf import CRF

MOST_TAGS = 24  # with more, joining steps takes more memory (B*n/2*L^3 numbers) than the time is worth
NEVER = -10_000.0  # the logarithm of a probability that is 0 in fp32


def log_likelihoods(crf: CRF, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
    """Give the log likelihood [B] of tags [B, n] under emissions [B, n, L].

    The mask [B, n] is true up to each sequence's end, and at least at its start.
    """
    if emissions.device.type == "cpu" or crf.num_tags > MOST_TAGS:
        likelihoods: Tensor = crf(emissions, tags, mask=mask, reduction="none")
        return likelihoods
    return gold_scores(crf, emissions, tags, mask) - log_partition(crf, emissions, mask)


def gold_scores(crf: CRF, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
    """Score the paths [B, n] that are given: [B]."""
    gold = ((tags[..., None] == torch.arange(crf.num_tags, device=tags.device)) & mask[..., None]).to(emissions.dtype)
    last = gold * (mask & ~_shifted(mask))[..., None]
    moves = torch.einsum("bni,bnj->bij", gold[:, :-1], gold[:, 1:])
    score: Tensor = (emissions * gold).sum((1, 2)) + (crf.transitions * moves).sum((1, 2))
    score = score + gold[:, 0] @ crf.start_transitions + last.sum(1) @ crf.end_transitions
    return score


def log_partition(crf: CRF, emissions: Tensor, mask: Tensor) -> Tensor:
    """Sum up all paths, as logarithms [B].

    Neighbouring steps are joined to longer ones, all at once, until one is left (Särkkä & García-Fernández 2021, the sum of a scan).
    """
    begun = crf.start_transitions + emissions[:, 0]  # [B, L]
    stay = torch.full_like(crf.transitions, NEVER).fill_diagonal_(0.0)  # what padding does
    steps = torch.where(mask[:, 1:, None, None], crf.transitions + emissions[:, 1:, None, :], stay)  # [B, n-1, L, L]
    steps = torch.cat([steps, stay.expand(len(steps), _to_power_of_two(steps.shape[1]), -1, -1)], dim=1)
    while steps.shape[1] > 1:
        first, second = steps.reshape(len(steps), -1, 2, *steps.shape[2:]).unbind(2)
        steps = torch.logsumexp(first[..., None] + second[:, :, None], dim=3)
    return torch.logsumexp(torch.logsumexp(begun[:, :, None] + steps[:, 0], dim=1) + crf.end_transitions, dim=1)


def _to_power_of_two(number: int) -> int:
    return (1 << max(number - 1, 0).bit_length()) - number


def _shifted(mask: Tensor) -> Tensor:
    """Tell of each position whether the next one is masked in, [B, n]."""
    return torch.cat([mask[:, 1:], torch.zeros_like(mask[:, :1])], dim=1)
