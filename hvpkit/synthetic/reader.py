"""Readers of the demo datasets, which are generated instead of read."""

from __future__ import annotations

from pathlib import Path

from hvpkit.data.readers.base import DatasetReader, DatasetSplits, ReaderContext
from hvpkit.errors import InputError
from hvpkit.synthetic.scenarios import SyntheticSettings


def build_demo(
    context: ReaderContext,
    *,
    size: int = 2000,
    seed: int = 0,
    uninformative: float = 0.3,
    ambiguous: float = 0.6,
    test_uninformative: float | None = None,
) -> DatasetReader:
    """Synthetic tweets with images and entities whose type the text or only the image reveals.

    Args:
        context: Arguments of the reader; its `root` must not be set.
        size: Number of training examples.
        seed: Seed of all random choices.
        uninformative: Fraction of uninformative images.
        ambiguous: Fraction of entities whose type only the image reveals.
        test_uninformative: Fraction of uninformative images of the test split, None for `uninformative`.

    Raises:
        InputError: "demo-reads-no-files", or codes of `SyntheticSettings`.
    """
    return _DemoReader(SyntheticSettings("mner", size, seed, uninformative, ambiguous, test_uninformative), context)


def build_demo_mre(
    context: ReaderContext,
    *,
    size: int = 2000,
    seed: int = 0,
    uninformative: float = 0.3,
    ambiguous: float = 0.6,
    test_uninformative: float | None = None,
) -> DatasetReader:
    """Synthetic tweets with images and pairs whose relation the text or only the image reveals.

    Args:
        context: Arguments of the reader; its `root` must not be set.
        size: Number of training examples.
        seed: Seed of all random choices.
        uninformative: Fraction of uninformative images.
        ambiguous: Fraction of pairs whose relation only the image reveals.
        test_uninformative: Fraction of uninformative images of the test split, None for `uninformative`.

    Raises:
        InputError: "demo-reads-no-files", or codes of `SyntheticSettings`.
    """
    return _DemoReader(SyntheticSettings("mre", size, seed, uninformative, ambiguous, test_uninformative), context)


class _DemoReader(DatasetReader):
    """Generator of a demo dataset."""

    def __init__(self, settings: SyntheticSettings, context: ReaderContext) -> None:
        super().__init__(context)
        self._settings = settings
        if context.root != Path():
            raise InputError("demo-reads-no-files", root=context.root)

    def read(self) -> DatasetSplits:
        """Generate the examples and their images."""
        from hvpkit.synthetic.generate import generate_demo

        return generate_demo(self._settings, self.context.stage, self.context.text_only)
