"""The contract of dataset readers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from hvpkit.data.readers.base import DatasetSplits, ReaderContext
from hvpkit.errors import DataError
from hvpkit.messages import Message
from hvpkit.records.codec import canonical_json, check_example
from hvpkit.testing.assertions import CheckFailed, require
from hvpkit.types import SPLITS, Example, Split, Task


def check_reader(
    factory: Callable[..., DatasetSplits],
    *,
    root: Path = Path(),
    task: Task = "mner",
    **options: Any,  # noqa: ANN401 - its own
) -> None:
    """Check what a reader makes of a small dataset in `root` (none for one that generates its examples).

    Its labels are the task's, its examples hold together, have ids of their own and images under its root; read again, they are the
    same; without images, the sentences are. Raises AssertionError for what is broken.
    """
    with tempfile.TemporaryDirectory() as stages:
        dataset, examples = _read(factory, root, Path(stages) / "first", options)
        require(dataset.labels.task == task, Message("reader-wrong-task", found=dataset.labels.task, expected=task))
        require(set(examples) <= set(SPLITS), Message("reader-wrong-splits", found=sorted(examples), expected=list(SPLITS)))
        require(any(examples.values()), Message("reader-without-examples"))
        for split, found in examples.items():
            _check_examples(split, found, dataset)
        for name, text_only in (("again", False), ("text", True)):
            _, others = _read(factory, root, Path(stages) / name, options, text_only)
            same = {split: _lines(found) for split, found in examples.items()} == {split: _lines(found) for split, found in others.items()}
            require(same, Message("reader-text-differs") if text_only else Message("reader-not-deterministic"))
            imaged = any(example.image or example.objects for found in others.values() for example in found)
            require(not (text_only and imaged), Message("reader-unwanted-images"))


def _read(
    factory: Callable[..., DatasetSplits], root: Path, stage: Path, options: dict[str, Any], text_only: bool = False
) -> tuple[DatasetSplits, dict[Split, list[Example]]]:
    stage.mkdir()
    dataset = factory(ReaderContext(root, stage, text_only), **options)
    return dataset, {split: list(found) for split, found in dataset.splits.items()}


def _check_examples(split: Split, found: list[Example], dataset: DatasetSplits) -> None:
    ids = [example.id for example in found]
    require(len(set(ids)) == len(ids), Message("shared-example-id", split=split))
    for example in found:
        try:
            check_example(example, dataset.labels)
        except DataError as error:
            raise CheckFailed(Message("invalid-example", split=split, reason=error.message)) from error
        for image in (example.image, *(item.image for item in example.objects)):
            inside = dataset.images_root is not None and image is not None and image.is_relative_to(dataset.images_root)
            outside = Message("image-outside-root", split=split, image=image, root=dataset.images_root)
            require(image is None or inside, outside)


def _lines(found: Iterable[Example]) -> list[bytes]:
    return [canonical_json(example) for example in found]
