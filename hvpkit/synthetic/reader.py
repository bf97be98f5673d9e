"""The demo datasets as readers, with their settings as options (our own; no torch, and nothing to draw with until one is called)."""

from __future__ import annotations

from pathlib import Path

from hvpkit.data.readers.base import DatasetSplits, ReaderContext
from hvpkit.errors import InputError
from hvpkit.synthetic.scenarios import SyntheticSettings


def demo(
    context: ReaderContext,
    *,
    size: int = 2000,
    seed: int = 0,
    uninformative: float = 0.3,
    ambiguous: float = 0.6,
    test_uninformative: float | None = None,
) -> DatasetSplits:
    """Tweets with drawn images, and names whose type the text settles or the image decides; nothing is read.

    `size` training examples; shares of `uninformative` images (of the test split's: `test_uninformative`) and of names left open.
    """
    return _drawn(SyntheticSettings("mner", size, seed, uninformative, ambiguous, test_uninformative), context)


def demo_mre(
    context: ReaderContext,
    *,
    size: int = 2000,
    seed: int = 0,
    uninformative: float = 0.3,
    ambiguous: float = 0.6,
    test_uninformative: float | None = None,
) -> DatasetSplits:
    """Tweets with drawn images, and pairs whose relation the text settles or the image decides; nothing is read.

    `size` training examples; shares of `uninformative` images (of the test split's: `test_uninformative`) and of pairs left open.
    """
    return _drawn(SyntheticSettings("mre", size, seed, uninformative, ambiguous, test_uninformative), context)


def _drawn(settings: SyntheticSettings, context: ReaderContext) -> DatasetSplits:
    from hvpkit.synthetic.generate import generate_demo

    if context.root != Path():
        raise InputError("demo-reads-no-files", root=context.root)
    return generate_demo(settings, context.stage, context.text_only)
