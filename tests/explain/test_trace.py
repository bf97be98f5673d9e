"""Attention folded to what it falls on."""

from __future__ import annotations

import torch

from hvpkit.explain.trace import fold_attention
from hvpkit.interfaces import Trace


def attention(batch: int = 2, heads: int = 2, words: int = 3, prefix: int = 4) -> torch.Tensor:
    return torch.randn(batch, heads, words, prefix + words, generator=torch.Generator().manual_seed(1)).softmax(-1)


def test_each_head_s_positions_are_added_up_by_the_cell_that_they_carry():
    one, other = attention(), attention().flip(-1)
    cells = torch.tensor([[0, 0, 1, 1], [3, 2, 2, 0]])
    folded = fold_attention(Trace(attention=[one, other], cells=cells))
    assert folded.shape == (2, 2, 3, 5)
    for b in range(2):
        for layer, given in enumerate((one, other)):
            for t in range(3):
                for cell in range(4):
                    by_hand = sum(given[b, h, t, s] for h in range(2) for s in range(4) if cells[h, s] == cell) / 2
                    torch.testing.assert_close(folded[b, layer, t, cell], torch.as_tensor(by_hand))
                torch.testing.assert_close(folded[b, layer, t, 4], given[b, :, t, 4:].sum(-1).mean())
    torch.testing.assert_close(folded.sum(-1), torch.ones(2, 2, 3))


def test_attention_that_reaches_no_images_says_nothing_of_them():
    assert fold_attention(Trace()) is None
    assert fold_attention(Trace(attention=[attention(prefix=0)])) is None
