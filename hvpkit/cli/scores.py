"""Format scores as rows of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hvpkit.utils.percent import format_score

if TYPE_CHECKING:
    from hvpkit.evaluation.metrics import Score, Scores


def score_rows(scores: Scores) -> list[tuple[str, ...]]:
    """Build one row per type or class and one of the micro average: P, R, F1 in percent, gold count."""
    return [_row(name, score) for name, score in scores.by_label.items()] + [_row("all", scores.overall)]


def _row(name: str, score: Score) -> tuple[str, ...]:
    return name, *map(format_score, (score.precision, score.recall, score.f1)), str(score.gold)
