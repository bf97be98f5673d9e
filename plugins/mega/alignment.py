"""Structural alignment: the similarity of nodes by the degrees around them, in closed form."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn.functional import one_hot

DECAY = 0.01  # weight of the nodes one hop further away
HOPS = 2

Edges = Iterable[tuple[int, int]]


def node_features(nodes: int, edges: Edges) -> Tensor:
    """Count the nodes around each node by distance and degree.

    The feature of a node is the sum over k = 0..2 of 0.01^k times the histogram of floor(log2(degree)) over all nodes
    at exactly k hops. A node without edges has features of 0.

    Args:
        nodes: Number of nodes N.
        edges: Pairs of nodes; neither their order nor duplicates matter.

    Returns:
        Features [N, bins], float64; equal for nodes with equal counts.

    Source: thecharm/Mega (xNetMF).
    """
    adjacency = torch.zeros(nodes, nodes, dtype=torch.float64)
    first, second = torch.tensor([*edges], dtype=torch.long).view(-1, 2).T
    adjacency[first, second] = adjacency[second, first] = 1
    degrees = [int(degree) for degree in adjacency.sum(1).tolist()]
    bins = torch.tensor([max(0, degree.bit_length() - 1) for degree in degrees])
    histogram = one_hot(bins).double() * torch.tensor(degrees).bool()[:, None]
    frontier, reached = torch.eye(nodes, dtype=torch.float64), torch.eye(nodes, dtype=torch.bool)
    features = histogram.clone()
    for hop in range(1, HOPS + 1):
        frontier = ((frontier @ adjacency > 0) & ~reached).double()
        reached |= frontier.bool()
        features += DECAY**hop * (frontier @ histogram)
    return features


def similarities(first: Tensor, second: Tensor) -> Tensor:
    """Compute exp(-sqrt(2 - 2 exp(-|f_i - f_j|))) for all pairs of nodes.

    This is what the embedding by landmarks, pseudo-inverse and singular values gives if every node is a landmark.

    Args:
        first: Features of n nodes, [n, bins].
        second: Features of m nodes, [m, bins].

    Returns:
        Similarities [n, m], 0..1; 1 for equal features.

    Source: thecharm/Mega; own: the closed form.
    """
    distances = (first[:, None] - second[None]).norm(dim=-1)
    return (-(-2 * torch.expm1(-distances)).sqrt()).exp()


def align(words: int, objects: int, edges: Edges) -> Tensor:
    """Compute the structural alignment of words and objects.

    Args:
        words: Number of words n, the nodes 0..n-1.
        objects: Number of objects m, the nodes n..n+m-1.
        edges: Pairs of nodes.

    Returns:
        Similarities [n, m], float64.
    """
    features = node_features(words + objects, edges)
    return similarities(features[:words], features[words:])


def keep_nearest(alignment: Tensor, exists: Tensor, nearest: int) -> Tensor:
    """Set all but the largest values of each row to 0; of equal ones, the first are kept.

    Args:
        alignment: Similarities [n, m], not negative.
        exists: Objects that may be kept, [m] bool.
        nearest: Number of values to keep.

    Returns:
        Similarities [n, m].
    """
    order = alignment.masked_fill(~exists, -1).argsort(dim=1, descending=True, stable=True)
    kept = torch.zeros_like(alignment, dtype=torch.bool).scatter(1, order[:, :nearest], True)
    return alignment.masked_fill(~(kept & exists), 0)
