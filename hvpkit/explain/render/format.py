"""Format changes of confidence and color steps."""

from __future__ import annotations

STEPS = 50  # number of opacity steps of a color


def percentage_points(change: float) -> str:
    """Format a change of confidence in percentage points, with its sign."""
    rounded = round(100 * change, 1)
    return "0.0" if rounded == 0 else f"{'+' if rounded > 0 else chr(0x2212)}{abs(rounded):.1f}"


def opacity_step(share: float, top: float = 1.0) -> int:
    """Return the opacity step of a fraction, 0 to `STEPS`.

    Args:
        share: The fraction.
        top: Fraction that gets the largest step.
    """
    return round(STEPS * min(1.0, max(0.0, share / top))) if top > 0 else 0
