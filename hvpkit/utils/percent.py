"""Format fractions in percent."""

from __future__ import annotations


def percent(fraction: float) -> str:
    """Format a fraction 0..1 in percent, such as 98.3%."""
    return f"{100 * fraction:.1f}%"


def format_score(value: float) -> str:
    """Format a score 0..1 as tables do: in percent with two decimals and without a unit, such as 85.32."""
    return f"{100 * value:.2f}"


def format_difference(difference: float) -> str:
    """Format a difference of scores in percentage points with its sign, such as +0.75."""
    return f"{100 * difference:+.2f}"
