"""Readers of the demo datasets, which are generated instead of read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hvpkit.data.readers.base import DatasetSplits, ReaderContext
from hvpkit.errors import InputError
from hvpkit.synthetic.scenarios import SyntheticSettings
from hvpkit.types import Task


def demo_reader(task: Task) -> Callable[..., DatasetSplits]:
    """Return the reader of the demo dataset of a task."""

    def build_demo(
        context: ReaderContext,
        *,
        size: int = 2000,
        seed: int = 0,
        uninformative: float = 0.3,
        ambiguous: float = 0.6,
        test_uninformative: float | None = None,
    ) -> DatasetSplits:
        """Synthetic tweets with images and labels that the text or only the image reveals.

        Args:
            context: Arguments of the reader; its `root` must not be set.
            size: Number of training examples.
            seed: Seed of all random choices.
            uninformative: Fraction of uninformative images.
            ambiguous: Fraction of entities or pairs whose label only the image reveals.
            test_uninformative: Fraction of uninformative images of the test split, None for `uninformative`.

        Raises:
            InputError: "demo-reads-no-files", or codes of `SyntheticSettings`.
        """
        from hvpkit.synthetic.generate import generate_demo

        settings = SyntheticSettings(task, size, seed, uninformative, ambiguous, test_uninformative)
        if context.root != Path():
            raise InputError("demo-reads-no-files", root=context.root)
        return generate_demo(settings, context.stage, context.text_only)

    return build_demo
