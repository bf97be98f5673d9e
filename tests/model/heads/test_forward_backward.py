from __future__ import annotations

import crf_paths as paths
import pytest
import torch

from hvpkit.model.heads.forward_backward import forward_backward, span_marginal

LENGTHS = (5, 1, 3)
MASK = torch.arange(5)[None, :] < torch.tensor(LENGTHS)[:, None]


@pytest.fixture(params=[(2, 0), (3, 1), (4, 2)])
def setting(request):
    tags, seed = request.param
    return paths.random_crf(tags, seed), torch.randn(3, 5, tags, generator=torch.Generator().manual_seed(seed))


def test_the_partition_adds_up_every_path(setting):
    crf, emissions = setting
    chart = forward_backward(crf, emissions, MASK)
    expected = [paths.log_partition(paths.all_paths(crf, emissions[row], length)) for row, length in enumerate(LENGTHS)]
    assert chart.partition.tolist() == pytest.approx(expected, abs=1e-5)


def test_marginals_add_up_the_paths_through_a_tag(setting):
    crf, emissions = setting
    chart = forward_backward(crf, emissions, MASK)
    marginals = (chart.forward + chart.backward - chart.partition[:, None, None]).exp()
    for row, length in enumerate(LENGTHS):
        every = paths.all_paths(crf, emissions[row], length)
        for i in range(length):
            for tag in range(crf.num_tags):
                expected = paths.probability(every, lambda path, i=i, tag=tag: path[i] == tag)
                assert float(marginals[row, i, tag]) == pytest.approx(expected, abs=1e-5)


def test_the_chart_asks_for_no_gradient(setting):
    crf, emissions = setting
    assert not forward_backward(crf, emissions, MASK).partition.requires_grad


@pytest.mark.parametrize("start", range(5))
@pytest.mark.parametrize("run", [[1], [1, 2], [2, 2, 0], [0, 1, 2, 1, 0]])
def test_a_run_s_probability_adds_up_the_paths_that_hold_it(start, run):
    crf = paths.random_crf(3, 5)
    emissions = torch.randn(3, 5, 3, generator=torch.Generator().manual_seed(6))
    chart = forward_backward(crf, emissions, MASK)
    before, after = [0, 2], [0, 1]
    checked = 0
    for row, length in enumerate(LENGTHS):
        end = start + len(run)
        if end > length:
            continue

        def holds(path, end=end, length=length):
            free = (start == 0 or path[start - 1] in before) and (end == length or path[end] in after)
            return list(path[start:end]) == run and free

        expected = paths.probability(paths.all_paths(crf, emissions[row], length), holds)
        found = span_marginal(crf, chart, emissions, row, start, run, before, after, length)
        assert found == pytest.approx(expected, abs=1e-6)
        checked += 1
    assert checked == sum(start + len(run) <= length for length in LENGTHS)
