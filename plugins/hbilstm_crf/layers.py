"""Bidirectional LSTMs: that of Lample et al. 2016 with coupled gates, and torch's."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

Cell = Literal["coupled", "lstm"]


class LstmOutput(NamedTuple):
    """Output of a bidirectional LSTM.

    Attributes:
        states: States of both directions at each position, [B, T, 2h].
        last: Last states: forward at the end, backward at the beginning of each sequence, [B, 2h].
    """

    states: Tensor
    last: Tensor


class CoupledLstm(nn.Module):
    """Bidirectional LSTM with coupled gates, full peephole matrices and learned start states.

    i = σ(x W_xi + h W_hi + c W_ci + b_i); c' = (1 - i) c + i tanh(x W_xc + h W_hc + b_c);
    o = σ(x W_xo + h W_ho + c' W_co + b_o); h' = o tanh(c'). There is no forget gate. Each direction has parameters of
    its own, in the first dimension. `input`, `recurrent` and `bias` hold those of the input gate, the candidate and the
    output gate, concatenated in the last dimension.

    Args:
        input_width: Width of the inputs.
        hidden: Width h of one direction.

    Source: glample/tagger, nn.py.
    """

    def __init__(self, input_width: int, hidden: int) -> None:
        super().__init__()
        self.input = _glorot(input_width, hidden, 3)
        self.recurrent = _glorot(hidden, hidden, 3)
        self.input_peephole, self.output_peephole = (_glorot(hidden, hidden, 1) for _ in range(2))  # W_ci, W_co
        self.bias = nn.Parameter(torch.zeros(2, 3 * hidden))
        self.start_hidden, self.start_cell = (nn.Parameter(torch.zeros(2, hidden)) for _ in range(2))

    def forward(self, inputs: Tensor, mask: Tensor) -> LstmOutput:
        """Compute the states of both directions.

        Args:
            inputs: Inputs, [B, T, input_width].
            mask: True up to the end of each sequence, which may be empty, [B, T] bool.
        """
        batch, length, _ = inputs.shape
        order = _reversed_order(mask)
        both = torch.stack([inputs, _reorder(inputs, order)])  # [2, B, T, input_width]
        projected = torch.baddbmm(self.bias[:, None], both.flatten(1, 2), self.input)  # [2, B*T, 3h]
        projected = projected.view(2, batch, length, -1)
        hidden = self.start_hidden[:, None].expand(-1, batch, -1)  # [2, B, h]
        cell = self.start_cell[:, None].expand(-1, batch, -1)
        states = []
        for step in range(length):
            new_hidden, new_cell = self._step(projected[:, :, step], hidden, cell)
            is_inside = mask[:, step, None]
            hidden, cell = torch.where(is_inside, new_hidden, hidden), torch.where(is_inside, new_cell, cell)
            states.append(hidden)
        forward, backward = torch.stack(states, dim=2)  # [B, T, h]
        return LstmOutput(torch.cat([forward, _reorder(backward, order)], dim=-1), torch.cat([*hidden], dim=-1))

    def _step(self, projected: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the next hidden and cell state [2, B, h] from the projected inputs [2, B, 3h]."""
        gate, candidate, output = (projected + torch.bmm(hidden, self.recurrent)).chunk(3, dim=-1)
        gate = (gate + torch.bmm(cell, self.input_peephole)).sigmoid()
        cell = (1 - gate) * cell + gate * candidate.tanh()
        output = (output + torch.bmm(cell, self.output_peephole)).sigmoid()
        return output * cell.tanh(), cell


class PackedLstm(nn.Module):
    """torch's bidirectional LSTM with the same inputs and outputs; matrices are initialized as in `CoupledLstm`.

    Args:
        input_width: Width of the inputs.
        hidden: Width h of one direction.

    Source: own.
    """

    def __init__(self, input_width: int, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(input_width, hidden, batch_first=True, bidirectional=True)
        for name, parameter in self.lstm.named_parameters():
            for gate in parameter.detach().chunk(4):
                nn.init.xavier_uniform_(gate) if "weight" in name else nn.init.zeros_(gate)

    def forward(self, inputs: Tensor, mask: Tensor) -> LstmOutput:
        """Compute states from inputs [B, T, input_width] and their mask [B, T]; those of an empty sequence are 0."""
        lengths = mask.sum(1)
        packed = pack_padded_sequence(inputs, lengths.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False)
        output, (hidden, _) = self.lstm(packed)
        states, _ = pad_packed_sequence(output, batch_first=True, total_length=mask.shape[1])
        last = torch.cat([*hidden], dim=-1)  # [B, 2h]
        return LstmOutput(states, last * (lengths > 0)[:, None])


def build_lstm(cell: Cell, input_width: int, hidden: int) -> CoupledLstm | PackedLstm:
    """Build a bidirectional LSTM of a kind of cell, with `hidden` states a direction."""
    return CoupledLstm(input_width, hidden) if cell == "coupled" else PackedLstm(input_width, hidden)


def _glorot(rows: int, columns: int, matrices: int) -> nn.Parameter:
    """Initialize matrices [rows, columns] of two directions in ±sqrt(6 / (rows + columns)), side by side."""
    parameter = nn.Parameter(torch.empty(2, rows, matrices * columns))
    for direction in parameter.detach():
        for matrix in direction.chunk(matrices, dim=-1):
            nn.init.xavier_uniform_(matrix)
    return parameter


def _reversed_order(mask: Tensor) -> Tensor:
    """Return the positions of each sequence in reverse order, padding unchanged, [B, T]; its own inverse."""
    positions = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
    return torch.where(mask, mask.sum(1, keepdim=True) - 1 - positions, positions)


def _reorder(inputs: Tensor, order: Tensor) -> Tensor:
    return inputs.gather(1, order[..., None].expand_as(inputs))
