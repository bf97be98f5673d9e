from __future__ import annotations

import itertools
import math

import crf_paths as paths
import pytest
import torch
from raising import raises
from torchcrf import CRF

from hvpkit.errors import ComponentError
from hvpkit.interfaces import Fused, HeadContext, TextBatch
from hvpkit.model.heads.crf import FORBIDDEN, CrfHead, illegal_transitions, mask_transitions
from hvpkit.registry import load_registry
from hvpkit.types import Labels

TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")


def _is_bio(path) -> bool:
    names = ["O", *(TAGS[tag] for tag in path)]
    return all(
        not name.startswith("I-") or before in (name, f"B-{name[2:]}") for before, name in itertools.pairwise(names)
    )


@pytest.fixture
def crf() -> CRF:
    made = paths.random_crf(len(TAGS), seed=5)
    mask_transitions(made, *illegal_transitions(TAGS))
    return made


def test_only_bio_paths_have_probability(crf):
    emissions = torch.randn(1, 4, len(TAGS), generator=torch.Generator().manual_seed(1))
    every = paths.all_paths(crf, emissions[0], 4)
    legal = {path: score for path, score in every.items() if _is_bio(path)}
    assert 0 < len(legal) < len(every)
    for path, score in legal.items():
        likelihood = float(crf(emissions, torch.tensor([path]), mask=torch.ones(1, 4, dtype=torch.bool)).detach())
        assert math.isclose(likelihood, score - paths.log_partition(legal), abs_tol=1e-4)


def test_the_best_path_is_the_best_of_the_bio_paths(crf):
    for seed in range(20):
        emissions = 3 * torch.randn(1, 4, len(TAGS), generator=torch.Generator().manual_seed(seed))
        legal = {path: score for path, score in paths.all_paths(crf, emissions[0], 4).items() if _is_bio(path)}
        assert tuple(crf.decode(emissions, torch.ones(1, 4, dtype=torch.bool))[0]) == max(legal, key=legal.__getitem__)


def test_training_does_not_move_what_is_forbidden(crf):
    optimizer = torch.optim.AdamW(crf.parameters(), lr=5e-3, weight_decay=0.01)
    before = crf.transitions.detach().clone()
    for seed in range(50):
        emissions = torch.randn(2, 4, len(TAGS), generator=torch.Generator().manual_seed(seed))
        optimizer.zero_grad()
        mask = torch.ones(2, 4, dtype=torch.bool)
        (-crf(emissions, torch.tensor([[1, 2, 0, 3], [0, 3, 4, 4]]), mask=mask)).backward()
        optimizer.step()
    forbidden = before == FORBIDDEN
    assert (crf.transitions[forbidden] < 0.9 * FORBIDDEN).all()
    assert (crf.transitions[~forbidden] != before[~forbidden]).any()


def test_weight_decay_frees_nothing_however_long_training_is():
    yes = torch.ones(1, 3, dtype=torch.bool)
    text = TextBatch({}, yes, torch.arange(3)[None], yes, torch.arange(3)[None])
    head = CrfHead(HeadContext(Labels("mner", TAGS), 6), dropout=0.0, constrained=True)
    optimizer = torch.optim.AdamW(head.parameters(), lr=1.0, weight_decay=0.9)
    for _ in range(30):
        optimizer.zero_grad()
        head.loss(head(Fused(torch.ones(1, 3, 6)), text), text, {"tags": torch.tensor([[1, 2, 0]])}).backward()
        optimizer.step()
    first, steps = illegal_transitions(TAGS)
    assert (head.crf.start_transitions[first] < 0.05 * FORBIDDEN).all()
    assert (head.crf.transitions[steps] < 0.05 * FORBIDDEN).all()


def test_what_is_forbidden_is_no_part_of_the_weights():
    made = [
        CrfHead(HeadContext(Labels("mner", TAGS), 6), dropout=0.0, constrained=bio).state_dict()
        for bio in (False, True)
    ]
    assert list(made[0]) == list(made[1])


def test_wordpieces_have_no_bio_transitions():
    context, options = HeadContext(Labels("mner", TAGS), 6), {"labels": "wordpieces", "constrained": True}
    with raises(ComponentError, "bio-transitions-of-words"):
        load_registry().build("head", "crf", context, options)
