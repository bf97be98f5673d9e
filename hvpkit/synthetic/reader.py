"""Readers of the demo datasets, which are generated instead of read."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from hvpkit.data.readers.base import DatasetReader, DatasetSplits, ReaderContext
from hvpkit.errors import InputError
from hvpkit.synthetic.scenarios import SyntheticSettings
from hvpkit.types import Task


def demo_reader(task: Task) -> Callable[..., DatasetReader]:
    """Return the reader of the demo dataset of a task."""

    def build_demo(
        context: ReaderContext,
        *,
        size: int = 2000,
        seed: int = 0,
        uninformative: float = 0.3,
        ambiguous: float = 0.6,
        test_uninformative: float | None = None,
    ) -> DatasetReader:
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
        settings = SyntheticSettings(task, size, seed, uninformative, ambiguous, test_uninformative)
        if context.root != Path():
            raise InputError("demo-reads-no-files", root=context.root)
        return _DemoReader(context, settings)

    return build_demo


class _DemoReader(DatasetReader):
    """Generator of a demo dataset."""

    def __init__(self, context: ReaderContext, settings: SyntheticSettings) -> None:
        super().__init__(context)
        self._settings = settings

    def read(self) -> DatasetSplits:
        """Generate the examples and their images."""
        from hvpkit.synthetic.generate import generate_demo

        return generate_demo(self._settings, self.context.stage, self.context.text_only)


def resolve_demo_name(name: str, task: Task | None, options: Collection[str]) -> str:
    """Resolve the name of a dataset that may be a demo.

    Args:
        name: Name of any dataset.
        task: Task of the demo; None: that of its name.
        options: Names of the options of the demo.

    Returns:
        The name of the demo dataset of the task; `name` itself without task and options.

    Raises:
        InputError: "demo-option-elsewhere" if options of the demo are used with another dataset.
    """
    if task is None and not options:
        return name
    demos = {("demo", None): "demo", ("demo", "mner"): "demo", ("demo", "mre"): "demo-mre"}
    demos |= {("demo-mre", None): "demo-mre", ("demo-mre", "mre"): "demo-mre"}
    if (name, task) not in demos:
        option = f"--task {task}" if task else f"--{next(iter(options)).replace('_', '-')}"
        raise InputError("demo-option-elsewhere", option=option, data=name)
    return demos[name, task]
