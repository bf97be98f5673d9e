"""The contract of dataset readers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from hvpkit.data.reading import Dataset, ReaderContext
from hvpkit.data.records import canonical, check_example
from hvpkit.errors import DataError
from hvpkit.testing.assertions import require
from hvpkit.types import SPLITS, Example, Split, Task


def check_reader(
    factory: Callable[..., Dataset],
    *,
    root: Path = Path(),
    task: Task = "mner",
    **options: Any,  # noqa: ANN401 - its own
) -> None:
    """Check what a reader makes of a small dataset in `root` (none for one that generates its examples).

    Its labels are the task's, its examples hold together, have ids of their own and pictures under its root; read again, they are the
    same; without pictures, the sentences are. Raises AssertionError for what is broken.
    """
    with tempfile.TemporaryDirectory() as stages:
        dataset, examples = _read(factory, root, Path(stages) / "first", options)
        require(dataset.labels.task == task, f"its labels are for {dataset.labels.task}, not {task}")
        require(set(examples) <= set(SPLITS), f"its splits {sorted(examples)} are not among {', '.join(SPLITS)}")
        require(any(examples.values()), "it finds no example")
        for split, found in examples.items():
            _check_examples(split, found, dataset)
        for name, text_only in (("again", False), ("text", True)):
            _, others = _read(factory, root, Path(stages) / name, options, text_only)
            same = {split: _lines(found) for split, found in examples.items()} == {split: _lines(found) for split, found in others.items()}
            require(same, f"it gives other examples {'without pictures' if text_only else 'the second time'}")
            pictured = any(example.image or example.objects for found in others.values() for example in found)
            require(not (text_only and pictured), "it names pictures where none are wanted")


def _read(
    factory: Callable[..., Dataset], root: Path, stage: Path, options: dict[str, Any], text_only: bool = False
) -> tuple[Dataset, dict[Split, list[Example]]]:
    stage.mkdir()
    dataset = factory(ReaderContext(root, stage, text_only), **options)
    return dataset, {split: list(found) for split, found in dataset.splits.items()}


def _check_examples(split: Split, found: list[Example], dataset: Dataset) -> None:
    ids = [example.id for example in found]
    require(len(set(ids)) == len(ids), f"some examples of {split} have the same id")
    for example in found:
        try:
            check_example(example, dataset.labels)
        except DataError as error:
            raise AssertionError(f"{split}: {error}") from error
        for picture in (example.image, *(item.image for item in example.objects)):
            inside = dataset.pictures_root is not None and picture is not None and picture.is_relative_to(dataset.pictures_root)
            require(picture is None or inside, f"{split}: the picture {picture} does not lie under {dataset.pictures_root}")


def _lines(found: Iterable[Example]) -> list[bytes]:
    return [canonical(example) for example in found]
