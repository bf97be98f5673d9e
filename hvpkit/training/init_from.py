"""Initialization from the weights of another model, except the head.

Source: Chen et al. 2022, section 4.4 (cross-task transfer).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from hvpkit.messages import Message
from hvpkit.model.model import Model

HEAD = "head."


@dataclass(frozen=True)
class LoadReport:
    """Counts of what was copied from another model.

    Attributes:
        loaded: Number of copied tensors by part of the model.
        partial: Partly copied tensors by name: (copied rows, rows).
        initialized: Tensors that keep their initialization by name, with the reason.
        unused: Number of tensors of the other model that this one does not have, by part.
    """

    loaded: dict[str, int]
    partial: dict[str, tuple[int, int]]
    initialized: dict[str, Message]
    unused: dict[str, int]

    def lines(self, model: Path) -> list[Message]:
        """Describe the report in messages.

        Args:
            model: Folder of the other model.
        """
        parts = _counted(self.loaded)
        messages = [
            Message("tensors-loaded", model=model, parts=parts) if parts else Message("no-tensors-loaded", model=model)
        ]
        messages += [
            Message("rows-loaded", model=model, tensor=name, loaded=loaded, rows=rows)
            for name, (loaded, rows) in self.partial.items()
        ]
        reasons = Counter((name.partition(".")[0], reason) for name, reason in self.initialized.items())
        for (part, reason), count in reasons.items():
            messages.append(Message("tensors-initialized", model=model, count=count, part=part, reason=reason))
        return messages + ([Message("tensors-unused", model=model, parts=_counted(self.unused))] if self.unused else [])


@torch.no_grad()
def load_matching(model: Model, other: Model) -> LoadReport:
    """Copy all tensors that both models have, by name and shape, except the head.

    Rows of vocabularies are matched by their entries, so the tokenizers may differ.

    Args:
        model: Model that is changed.
        other: Model to copy from.
    """
    state, other_state = model.state_dict(), other.state_dict()
    rows, other_rows = (_vocabularies(each) for each in (model, other))
    loaded: Counter[str] = Counter()
    partial: dict[str, tuple[int, int]] = {}
    initialized: dict[str, Message] = {}
    for name, tensor in state.items():
        source, part = other_state.get(name), name.partition(".")[0]
        if name.startswith(HEAD):
            initialized[name] = Message("head-not-loaded")
        elif source is None:
            initialized[name] = Message("tensor-not-there")
        elif name in rows and name in other_rows and source.shape[1:] == tensor.shape[1:]:
            pairs = _same_rows(rows[name], other_rows[name])
            if pairs:
                here, there = map(list, zip(*pairs, strict=True))
                tensor[here] = source[there].to(tensor)
            partial |= {name: (len(pairs), len(tensor))} if len(pairs) < len(tensor) else {}
            loaded[part] += len(pairs) == len(tensor)
        elif source.shape != tensor.shape:
            initialized[name] = Message("tensor-shapes-differ", expected=_size(tensor), found=_size(source))
        else:
            tensor.copy_(source)
            loaded[part] += 1
    model.load_state_dict(state)
    unused = Counter(name.partition(".")[0] for name in other_state if name not in state)
    return LoadReport(dict(+loaded), partial, initialized, dict(unused))


def _vocabularies(model: Model) -> dict[str, Sequence[str | None]]:
    return {f"text.{name}": rows for name, rows in model.text.vocabularies().items()}


def _same_rows(here: Sequence[str | None], there: Sequence[str | None]) -> list[tuple[int, int]]:
    """Pair the rows of equal entries; unnamed (reserved) rows are paired by index."""
    index = {name: row for row, name in enumerate(there) if name is not None}
    pairs = [(row, index[name]) for row, name in enumerate(here) if name in index]
    free = [row for row, name in enumerate(here) if name is None and row < len(there) and there[row] is None]
    return sorted(pairs + [(row, row) for row in free])


def _counted(parts: dict[str, int]) -> list[Message]:
    return [Message("tensors-of-part", count=count, part=part) for part, count in parts.items()]


def _size(tensor: torch.Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "one number"
