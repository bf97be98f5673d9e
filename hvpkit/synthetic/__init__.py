"""Synthetic data: generated tweets with images, known labels and upper bounds of the scores.

Source: own.
"""

from __future__ import annotations

from hvpkit.hookspecs import Register, hookimpl
from hvpkit.synthetic.reader import demo_reader


@hookimpl
def register_readers(register: Register) -> None:
    """Register the readers of synthetic data."""
    register("demo", demo_reader("mner"), tasks=("mner",))
    register("demo-mre", demo_reader("mre"), tasks=("mre",))
