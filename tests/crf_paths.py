"""Every path through a CRF, one by one: the oracle of its tests."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torchcrf import CRF

Path = tuple[int, ...]


def random_crf(tags: int, seed: int) -> CRF:
    crf = CRF(tags, batch_first=True)
    generator = torch.Generator().manual_seed(seed)
    for parameter in crf.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    return crf


def score(crf: CRF, emissions: Tensor, path: Sequence[int]) -> float:
    """Add up a path's start, emissions [n, L], steps and end."""
    total = crf.start_transitions[path[0]] + crf.end_transitions[path[-1]]
    for i, tag in enumerate(path):
        total = total + emissions[i, tag]
    for one, following in itertools.pairwise(path):
        total = total + crf.transitions[one, following]
    return float(total.detach())


def all_paths(crf: CRF, emissions: Tensor, length: int) -> dict[Path, float]:
    """Return the score of every path of a length."""
    return {path: score(crf, emissions, path) for path in itertools.product(range(crf.num_tags), repeat=length)}


def log_partition(paths: dict[Path, float]) -> float:
    highest = max(paths.values())
    return highest + math.log(sum(math.exp(value - highest) for value in paths.values()))


def probability(paths: dict[Path, float], holds: Callable[[Path], bool]) -> float:
    """Add up the probabilities of the paths for which something holds."""
    whole = log_partition(paths)
    return sum(math.exp(value - whole) for path, value in paths.items() if holds(path))
