"""Contract check for dataset readers."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from hvpkit.data.readers.base import DatasetReader, DatasetSplits, ReaderContext
from hvpkit.errors import DataError
from hvpkit.messages import Message
from hvpkit.records.codec import canonical_json, check_example
from hvpkit.testing.assertions import CheckFailed, require
from hvpkit.types import SPLITS, Example, Split, Task


def check_reader(
    factory: Callable[..., DatasetReader],
    *,
    root: Path = Path(),
    task: Task = "mner",
    **options: Any,  # noqa: ANN401
) -> None:
    """Check a dataset reader on a small dataset.

    Its labels are of the task; its examples are valid, have unique ids and images under the images root; reading is
    deterministic, and a text-only read returns the same sentences without images.

    Args:
        factory: Factory of the reader; if it has an option `task`, it gets the task.
        root: Directory of the dataset; a reader that generates its examples needs none.
        task: Task of the dataset.
        options: Options of the factory.

    Raises:
        CheckFailed: If a check fails.
    """
    if "task" in inspect.signature(factory).parameters:
        options["task"] = task
    with tempfile.TemporaryDirectory() as directory:
        dataset, examples = _read(factory, root, Path(directory) / "first", options)
        require(dataset.labels.task == task, Message("reader-wrong-task", found=dataset.labels.task, expected=task))
        require(
            set(examples) <= set(SPLITS), Message("reader-wrong-splits", found=sorted(examples), expected=list(SPLITS))
        )
        require(any(examples.values()), Message("reader-without-examples"))
        for split, split_examples in examples.items():
            _check_examples(split, split_examples, dataset)
        for name, text_only in (("again", False), ("text", True)):
            _, others = _read(factory, root, Path(directory) / name, options, text_only)
            same = {split: _to_json(split_examples) for split, split_examples in examples.items()} == {
                split: _to_json(split_examples) for split, split_examples in others.items()
            }
            require(same, Message("reader-text-differs") if text_only else Message("reader-not-deterministic"))
            has_images = any(
                example.image or example.objects for split_examples in others.values() for example in split_examples
            )
            require(not (text_only and has_images), Message("reader-unwanted-images"))


def _read(
    factory: Callable[..., DatasetReader], root: Path, stage: Path, options: dict[str, Any], text_only: bool = False
) -> tuple[DatasetSplits, dict[Split, list[Example]]]:
    stage.mkdir()
    dataset = factory(ReaderContext(root, stage, text_only), **options).read()
    return dataset, {split: list(examples) for split, examples in dataset.splits.items()}


def _check_examples(split: Split, examples: list[Example], dataset: DatasetSplits) -> None:
    ids = [example.id for example in examples]
    require(len(set(ids)) == len(ids), Message("shared-example-id", split=split))
    for example in examples:
        try:
            check_example(example, dataset.labels)
        except DataError as error:
            raise CheckFailed(Message("invalid-example", split=split, reason=error.message)) from error
        for image in (example.image, *(item.image for item in example.objects)):
            root = dataset.images_root
            is_inside = root is not None and isinstance(image, Path) and image.is_relative_to(root)
            outside = Message("image-outside-root", split=split, image=image, root=dataset.images_root)
            require(image is None or is_inside, outside)


def _to_json(examples: Iterable[Example]) -> list[bytes]:
    return [canonical_json(example) for example in examples]
