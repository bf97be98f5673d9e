"""What training tells whoever started it; it knows no terminal."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from hvpkit.metrics import Scores


@dataclass(frozen=True)
class EpochLine:
    """One finished epoch: its number from 1, the mean training loss, the dev scores if it was evaluated, seconds it took."""

    epoch: int
    epochs: int
    loss: float
    dev: Scores | None
    best: bool
    seconds: float


def _silent(description: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
    return nullcontext(lambda steps: None)


@dataclass(frozen=True)
class Report:
    """Where training's messages go; silent unless told."""

    say: Callable[[str], None] = lambda message: None
    warn: Callable[[str], None] = lambda message: None
    epoch: Callable[[EpochLine], None] = lambda line: None
    progress: Callable[[str, int], AbstractContextManager[Callable[[int], None]]] = _silent
