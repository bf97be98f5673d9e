"""How shares are written and coloured."""

from __future__ import annotations

STEPS = 50  # of a colour, from nothing to all


def percent(share: float) -> str:
    """Write a share of 1 in percent, with one decimal."""
    return f"{100 * share:.1f}%"


def percentage_points(change: float) -> str:
    """Write a change of confidence in percentage points, with its sign."""
    rounded = round(100 * change, 1)
    return "0.0" if rounded == 0 else f"{'+' if rounded > 0 else chr(0x2212)}{abs(rounded):.1f}"


def opacity_step(share: float, top: float = 1.0) -> int:
    """Give the step 0 to `STEPS` of a share, of which `top` is the largest."""
    return round(STEPS * min(1.0, max(0.0, share / top))) if top > 0 else 0
