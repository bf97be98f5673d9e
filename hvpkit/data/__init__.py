"""Dataset readers, prepared data and the shuffled-images control."""

from __future__ import annotations

from hvpkit.data import readers
from hvpkit.hookspecs import Register, hookimpl


@hookimpl
def register_readers(register: Register) -> None:
    """Register the built-in readers."""
    register("twitter2015", readers.build_twitter2015, tasks=("mner",))
    register("twitter2017", readers.build_twitter2017, tasks=("mner",))
    register("mnre", readers.build_mnre, tasks=("mre",))
    register("jsonl", readers.build_jsonl)
