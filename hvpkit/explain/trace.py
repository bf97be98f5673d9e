"""The forward pass that predicts, with what it saw written down on the way: no second model, nothing approximated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hvpkit.inference.engine import Decoded
from hvpkit.interfaces import Batch, TextBatch, Trace
from hvpkit.model.model import Model


@dataclass(frozen=True)
class TracedWindow:
    """One window of one example on its way through the model.

    `scores` and `text` have a batch of 1. `gates` [V, N, C]; `looks` [N, T, V*P + 1]: shares of attention, mean over heads, on each cell of
    the images and last on the text, None where no images stand in the prefix.
    """

    decoded: Decoded
    scores: Tensor
    text: TextBatch
    gates: Tensor | None
    looks: Tensor | None
    named: dict[str, Tensor]
    level_name: str
    cells_are_places: bool


def trace_batch(model: Model, batch: Batch) -> Sequence[TracedWindow]:
    """Score and decode one batch as hvpkit.inference.engine.run does, and keep what it saw, on the CPU."""
    batch, trace = batch.to(next(model.parameters()).device), Trace()
    scores = type(model).forward(model, batch, trace).scores
    decoded: Sequence[Decoded] = model.head.decode(scores, batch.text)
    looks = fold_attention(trace)
    gates = None if trace.gates is None else trace.gates.float().cpu()
    named = {name: tensor.detach().cpu() for name, tensor in trace.extra_tensors.items()}
    return [
        TracedWindow(
            decoded=own,
            scores=scores[row : row + 1].cpu(),
            text=slice_row(batch.text, row).to("cpu"),
            gates=None if gates is None else gates[row],
            looks=None if looks is None else looks[row],
            named={name: tensor[row] for name, tensor in named.items()},
            level_name=trace.level_name,
            cells_are_places=trace.cells_are_spatial,
        )
        for row, own in enumerate(decoded)
    ]


def fold_attention(trace: Trace) -> Tensor | None:
    """Add up attention [B, H, T, S+T] by what it falls on, mean over heads: [B, N, T, V*P + 1], the text last; rows sum to 1."""
    if not trace.attention or trace.cells is None:
        return None
    cells = trace.cells.to(trace.attention[0].device)  # [H, S]
    layers = []
    for attention in trace.attention:
        prefix, text = attention[..., : cells.shape[1]], attention[..., cells.shape[1] :]
        index = cells[None, :, None, :].expand_as(prefix)
        by_cell = torch.zeros_like(prefix).scatter_add_(-1, index, prefix)
        layers.append(torch.cat([by_cell, text.sum(-1, keepdim=True)], dim=-1).mean(1))
    return torch.stack(layers, dim=1).cpu()


def slice_row(text: TextBatch, row: int) -> TextBatch:
    """Cut one text, with its padding, out of a batch."""
    return text.map_tensors(lambda tensor: tensor[row : row + 1])
