"""Exact probabilities in a linear-chain CRF: forward-backward (Rabiner 1989; Lafferty et al. 2001)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torchcrf import CRF


@dataclass(frozen=True)
class ForwardBackwardTables:
    """Log sums over paths: `forward` [B, n, L] up to and with a tag, `backward` [B, n, L] after it, `partition` [B] over whole ones."""

    forward: Tensor
    backward: Tensor
    partition: Tensor


@torch.no_grad()
def forward_backward(crf: CRF, emissions: Tensor, mask: Tensor) -> ForwardBackwardTables:
    """Fill the chart of a batch: emissions [B, n, L], mask [B, n] bool, true up to each sequence's end and at least at its start."""
    transitions = crf.transitions  # [from, to]
    steps = emissions.shape[1]
    forward = [crf.start_transitions + emissions[:, 0]]
    for i in range(1, steps):
        grown = torch.logsumexp(forward[-1][:, :, None] + transitions, dim=1) + emissions[:, i]
        forward.append(torch.where(mask[:, i, None], grown, forward[-1]))
    backward = [crf.end_transitions.expand_as(forward[0])]
    for i in range(steps - 1, 0, -1):
        grown = torch.logsumexp(transitions + (emissions[:, i] + backward[-1])[:, None, :], dim=2)
        backward.append(torch.where(mask[:, i, None], grown, backward[-1]))
    partition = torch.logsumexp(forward[-1] + crf.end_transitions, dim=1)
    return ForwardBackwardTables(torch.stack(forward, 1), torch.stack(backward[::-1], 1), partition)


@torch.no_grad()
def span_marginal(
    crf: CRF,
    chart: ForwardBackwardTables,
    emissions: Tensor,
    row: int,
    start: int,
    tags: list[int],
    before: list[int],
    after: list[int],
    length: int,
) -> float:
    """Give the probability that the path of `row` has exactly `tags` from position `start` on, as a run of its own.

    `before` are the tags that may precede it (all, where its first tag begins an entity), `after` those that may follow; `length` is
    the sequence's. `emissions` [B, n, L] are the chart's.
    """
    transitions, end = crf.transitions, start + len(tags)
    score = emissions[row, start, tags[0]]
    if start == 0:
        score = score + crf.start_transitions[tags[0]]
    else:
        score = score + torch.logsumexp(chart.forward[row, start - 1, before] + transitions[before, tags[0]], 0)
    for i in range(1, len(tags)):
        score = score + transitions[tags[i - 1], tags[i]] + emissions[row, start + i, tags[i]]
    if end == length:
        score = score + crf.end_transitions[tags[-1]]
    else:
        score = score + torch.logsumexp(transitions[tags[-1], after] + emissions[row, end, after] + chart.backward[row, end, after], 0)
    return float((score - chart.partition[row]).exp().clamp(max=1.0))
