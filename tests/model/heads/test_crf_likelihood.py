from __future__ import annotations

import pytest
import torch
from torchcrf import CRF

from hvpkit.model.heads.crf import illegal_transitions, mask_transitions
from hvpkit.model.heads.crf_likelihood import gold_scores, log_likelihoods, log_partition

TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")


def drawn(seed, words, batch=4):
    """Emissions, tags and a mask of `batch` sequences, the first of them `words` long."""
    chance = torch.Generator().manual_seed(seed)
    lengths = torch.cat([torch.tensor([words]), torch.randint(1, words + 1, (batch - 1,), generator=chance)])
    emissions = 3 * torch.randn(batch, words, len(TAGS), generator=chance)
    return (
        emissions,
        torch.randint(len(TAGS), (batch, words), generator=chance),
        torch.arange(words)[None, :] < lengths[:, None],
    )


def crf(seed, bio=False):
    made = CRF(len(TAGS), batch_first=True)
    for offset, parameter in enumerate(made.parameters()):
        parameter.data = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(100 * seed + offset))
    if bio:
        mask_transitions(made, *illegal_transitions(TAGS))
    return made


def with_gradients(loss, crf, emissions):
    return [loss.detach(), *torch.autograd.grad(loss, [emissions, *crf.parameters()], materialize_grads=True)]


@pytest.mark.parametrize("bio", [False, True])
@pytest.mark.parametrize("words", [1, 2, 3, 4, 7, 8, 21, 64])
def test_joined_steps_give_the_likelihood_and_gradients_of_pytorch_crf(words, bio):
    made, (emissions, tags, mask) = crf(words, bio), drawn(words, words)
    emissions.requires_grad_()
    tags = tags if not bio else torch.zeros_like(tags)  # a path that is allowed
    ours = (gold_scores(made, emissions, tags, mask) - log_partition(made, emissions, mask)).mean()
    theirs = made(emissions, tags, mask=mask, reduction="mean")
    torch.testing.assert_close(
        with_gradients(ours, made, emissions), with_gradients(theirs, made, emissions), rtol=1e-5, atol=1e-5
    )


def test_on_a_cpu_the_likelihood_is_pytorch_crf_s_own():
    made, (emissions, tags, mask) = crf(0), drawn(0, 9)
    assert torch.equal(log_likelihoods(made, emissions, tags, mask), made(emissions, tags, mask=mask, reduction="none"))


def test_no_step_asks_for_a_value():
    made, given = crf(0).to("meta"), [tensor.to("meta") for tensor in drawn(0, 9)]
    assert log_likelihoods(made, *given).shape == (4,)  # on no device could it be known
