"""Exact probabilities in a linear-chain CRF by the forward-backward algorithm."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torchcrf import CRF


@dataclass(frozen=True)
class ForwardBackwardTables:
    """Log sums over paths.

    Attributes:
        forward: Sums over paths up to and including each tag, [B, n, L].
        backward: Sums over paths after each tag, [B, n, L].
        partition: Sums over complete paths, [B].
    """

    forward: Tensor
    backward: Tensor
    partition: Tensor


@torch.no_grad()
def forward_backward(crf: CRF, emissions: Tensor, mask: Tensor) -> ForwardBackwardTables:
    """Compute the forward and backward tables of a batch in double precision.

    In single precision, differences of log sums have errors above 1e-6, which depend on the other rows of a batch.

    Args:
        crf: The CRF.
        emissions: Emissions, [B, n, L].
        mask: True up to the end of each sequence and at least at its start, [B, n] bool.

    Source: Rabiner 1989; Lafferty et al. 2001.
    """
    emissions, transitions = emissions.double(), crf.transitions.double()  # transitions [from, to]
    steps = emissions.shape[1]
    forward = [crf.start_transitions + emissions[:, 0]]
    for i in range(1, steps):
        extended = torch.logsumexp(forward[-1][:, :, None] + transitions, dim=1) + emissions[:, i]
        forward.append(torch.where(mask[:, i, None], extended, forward[-1]))
    backward = [crf.end_transitions.expand_as(forward[0])]
    for i in range(steps - 1, 0, -1):
        extended = torch.logsumexp(transitions + (emissions[:, i] + backward[-1])[:, None, :], dim=2)
        backward.append(torch.where(mask[:, i, None], extended, backward[-1]))
    partition = torch.logsumexp(forward[-1] + crf.end_transitions, dim=1)
    return ForwardBackwardTables(torch.stack(forward, 1), torch.stack(backward[::-1], 1), partition)


@torch.no_grad()
def span_marginal(
    crf: CRF,
    tables: ForwardBackwardTables,
    emissions: Tensor,
    row: int,
    start: int,
    tags: list[int],
    before: list[int],
    after: list[int],
    length: int,
) -> float:
    """Compute the probability that a sequence has exactly the given tags at a position.

    Args:
        crf: The CRF.
        tables: Forward and backward tables of the batch.
        emissions: Emissions that the tables were computed from, [B, n, L].
        row: Index of the sequence in the batch.
        start: Position of the first tag.
        tags: Indices of the tags of the span.
        before: Tags that may precede the span: all of them if its first tag begins an entity.
        after: Tags that may follow the span.
        length: Length of the sequence.

    Returns:
        Probability 0..1.

    Source: own; brute-force oracle in tests/model/heads/test_forward_backward.py.
    """
    transitions, end = crf.transitions, start + len(tags)
    score = emissions[row, start, tags[0]]
    if start == 0:
        score = score + crf.start_transitions[tags[0]]
    else:
        score = score + torch.logsumexp(tables.forward[row, start - 1, before] + transitions[before, tags[0]], 0)
    for i in range(1, len(tags)):
        score = score + transitions[tags[i - 1], tags[i]] + emissions[row, start + i, tags[i]]
    if end == length:
        score = score + crf.end_transitions[tags[-1]]
    else:
        score = score + torch.logsumexp(
            transitions[tags[-1], after] + emissions[row, end, after] + tables.backward[row, end, after], 0
        )
    return float((score - tables.partition[row]).exp().clamp(max=1.0))
