"""Synthetic data: tweets with images whose truth is known, generated offline, with the best scores that text and images allow (own)."""

from __future__ import annotations

from hvpkit.hookspecs import Register, hookimpl
from hvpkit.synthetic import reader


@hookimpl
def register_readers(register: Register) -> None:
    """Register the readers of synthetic data."""
    register("demo", reader.demo, tasks=("mner",))
    register("demo-mre", reader.demo_mre, tasks=("mre",))
