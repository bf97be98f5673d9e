"""Reader of batches that also records attention and gates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hvpkit.inference.decode import Decoded, WindowedPrediction, compute_scores, decode_scores, merge_windows
from hvpkit.inference.engine import WindowedResult
from hvpkit.interfaces import Batch, TextBatch, Trace
from hvpkit.model.model import Model


@dataclass(frozen=True)
class TracedWindow:
    """Traced forward pass of one window of an example, on the CPU.

    Attributes:
        decoded: Decoded prediction of the window.
        scores: Scores of the head, batch of 1.
        text: Text input, batch of 1.
        gates: Gate weights [V, N, C]; None without gates.
        attention: Attention of each position on each cell of the images and, last, on the text, mean over heads
            [N, T, V*P + 1]; rows sum to 1; None without images in the prefix.
        extra_tensors: Further tensors that the fusion traced, by name, without batch dimension.
        level_name: What one of the C gate weights belongs to: "level" or "slice".
        cells_are_spatial: Whether the P cells are regions of the image.
    """

    decoded: Decoded
    scores: Tensor
    text: TextBatch
    gates: Tensor | None
    attention: Tensor | None
    extra_tensors: dict[str, Tensor]
    level_name: str
    cells_are_spatial: bool


TracedResult = WindowedResult[TracedWindow]


def trace_batch(model: Model, batch: Batch) -> Sequence[TracedWindow]:
    """Score and decode one batch as prediction does, and record attention and gates.

    Args:
        model: The model.
        batch: Encoded windows, on the device of the model.

    Returns:
        One traced window per row of the batch, on the CPU.
    """
    trace = Trace()
    scores = compute_scores(model, batch, trace)
    attention = fold_attention(trace)
    gates = None if trace.gates is None else trace.gates.float().cpu()
    extra_tensors = {name: tensor.detach().cpu() for name, tensor in trace.extra_tensors.items()}
    return [
        TracedWindow(
            decoded=decoded,
            scores=scores[row : row + 1].cpu(),
            text=slice_row(batch.text, row).to("cpu"),
            gates=None if gates is None else gates[row],
            attention=None if attention is None else attention[row],
            extra_tensors={name: tensor[row] for name, tensor in extra_tensors.items()},
            level_name=trace.level_name,
            cells_are_spatial=trace.cells_are_spatial,
        )
        for row, decoded in enumerate(decode_scores(model, scores, batch.text))
    ]


def merge_traces(result: TracedResult) -> WindowedPrediction:
    """Merge the predictions for the traced windows of one example."""
    return merge_windows(WindowedResult(result.windows, tuple(traced.decoded for traced in result.values)))


def fold_attention(trace: Trace) -> Tensor | None:
    """Sum attention by image cell and over the text, and average it over heads.

    Args:
        trace: Trace with attention [B, H, T, S+T] by layer and cells [H, S], the cell of each prefix position.

    Returns:
        Attention [B, N, T, V*P + 1], the text last, rows sum to 1; None without attention on images.
    """
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
    """Return one text of a batch, with its padding, as a batch of 1."""
    return text.map_tensors(lambda tensor: tensor[row : row + 1])
