"""Synthetic data: generated tweets with images, known labels and upper bounds of the scores.

Source: own.
"""

from __future__ import annotations

from hvpkit.hookspecs import Register, hookimpl
from hvpkit.synthetic import reader


@hookimpl
def register_readers(register: Register) -> None:
    """Register the readers of synthetic data."""
    register("demo", reader.build_demo, tasks=("mner",))
    register("demo-mre", reader.build_demo_mre, tasks=("mre",))
