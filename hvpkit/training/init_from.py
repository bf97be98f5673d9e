"""Starting from another model's weights, all but the head's (Chen et al. 2022, section 4.4: cross-task)."""

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
    """What came from the other model: `taken`, tensors by part; `partly`, tensors with rows of their own (rows taken, rows);
    `left`, tensors that start anew, each with the reason; `unused`, how many of the other model's tensors have no place here, by part."""

    loaded: dict[str, int]
    partial: dict[str, tuple[int, int]]
    initialized: dict[str, Message]
    unused: dict[str, int]

    def lines(self, model: Path) -> list[Message]:
        """Say it in words, a line each, about the model of this folder."""
        parts = _counted(self.loaded)
        said = [Message("tensors-loaded", model=model, parts=parts) if parts else Message("no-tensors-loaded", model=model)]
        said += [Message("rows-loaded", model=model, tensor=name, loaded=taken, rows=rows) for name, (taken, rows) in self.partial.items()]
        reasons = Counter((name.partition(".")[0], reason) for name, reason in self.initialized.items())
        for (part, reason), count in reasons.items():
            said.append(Message("tensors-initialized", model=model, count=count, part=part, reason=reason))
        return said + ([Message("tensors-unused", model=model, parts=_counted(self.unused))] if self.unused else [])


@torch.no_grad()
def load_matching(model: Model, other: Model) -> LoadReport:
    """Copy every tensor that both models have, by name and shape, into `model`; of vocabularies the rows of what both know.

    The head is left alone. Vocabularies are matched by what their rows stand for, so tokenizers may differ, by added markers or altogether.
    """
    mine, theirs = model.state_dict(), other.state_dict()
    rows_here, rows_there = (_vocabularies(each) for each in (model, other))
    taken: Counter[str] = Counter()
    partly: dict[str, tuple[int, int]] = {}
    left: dict[str, Message] = {}
    for name, tensor in mine.items():
        source, part = theirs.get(name), name.partition(".")[0]
        if name.startswith(HEAD):
            left[name] = Message("head-not-loaded")
        elif source is None:
            left[name] = Message("tensor-not-there")
        elif name in rows_here and name in rows_there and source.shape[1:] == tensor.shape[1:]:
            pairs = _same_rows(rows_here[name], rows_there[name])
            if pairs:
                here, there = map(list, zip(*pairs, strict=True))
                tensor[here] = source[there].to(tensor)
            partly |= {name: (len(pairs), len(tensor))} if len(pairs) < len(tensor) else {}
            taken[part] += len(pairs) == len(tensor)
        elif source.shape != tensor.shape:
            left[name] = Message("tensor-shapes-differ", expected=_size(tensor), found=_size(source))
        else:
            tensor.copy_(source)
            taken[part] += 1
    model.load_state_dict(mine)
    unused = Counter(name.partition(".")[0] for name in theirs if name not in mine)
    return LoadReport(dict(+taken), partly, left, dict(unused))


def _vocabularies(model: Model) -> dict[str, Sequence[str | None]]:
    return {f"text.{name}": rows for name, rows in model.text.vocabularies().items()}


def _same_rows(here: Sequence[str | None], there: Sequence[str | None]) -> list[tuple[int, int]]:
    """Pair the rows that stand for the same thing; a row without a name (kept free by the model) goes with the same number."""
    places = {name: row for row, name in enumerate(there) if name is not None}
    pairs = [(row, places[name]) for row, name in enumerate(here) if name in places]
    free = [row for row, name in enumerate(here) if name is None and row < len(there) and there[row] is None]
    return sorted(pairs + [(row, row) for row in free])


def _counted(parts: dict[str, int]) -> list[Message]:
    return [Message("tensors-of-part", count=count, part=part) for part, count in parts.items()]


def _size(tensor: torch.Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "one number"
