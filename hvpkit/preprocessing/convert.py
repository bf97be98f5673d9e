"""Convert a dataset of any format to another format."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hvpkit.data.readers.base import DatasetReader, ImageNames, ReaderContext
from hvpkit.data.writers import WRITERS
from hvpkit.errors import InputError, did_you_mean
from hvpkit.preprocessing.formats import locate_dataset
from hvpkit.preprocessing.random_split import SplitRequest, divide_training_examples
from hvpkit.records.issues import IssueCount, IssueLog
from hvpkit.registry import Registry, load_registry
from hvpkit.types import Split
from hvpkit.utils.atomic_write import atomic_file


@dataclass(frozen=True)
class ConversionReport:
    """What was converted.

    Attributes:
        source: Where the data came from.
        files: File of each split.
        counts: Number of examples in each file.
        objects_dropped: Number of objects of images that the format has no place for.
        problems: Issues of the data.
    """

    source: str
    files: dict[Split, Path]
    counts: dict[Split, int]
    objects_dropped: int
    problems: list[IssueCount]


def convert(
    name: str,
    output: Path,
    *,
    to: str,
    root: Path | None = None,
    format_name: str | None = None,
    options: Mapping[str, Any] | None = None,
    images: ImageNames = ImageNames(),  # noqa: B008 - frozen
    split: SplitRequest | None = None,
    registry: Registry | None = None,
) -> ConversionReport:
    """Write a dataset in another format; no incomplete file is left.

    Args:
        name: Name of a dataset, or a path.
        output: File, or folder with a file for each split.
        to: Format to write.
        root: Folder in which a named dataset is searched.
        format_name: Format of a path; None: it is recognized.
        options: Options of the reader.
        images: Where the images of a path are; those that are missing are left out.
        split: How to divide the training examples if there is no dev or test split.
        registry: Components; None: all installed ones.

    Raises:
        InputError: "unknown-output-format", "generated-data-not-converted", "output-task-unsupported",
            "output-needs-folder" or "output-file-exists", or codes of `locate_dataset`.
        DataError: There are no usable examples, or codes of the writer.
    """
    registry = registry or load_registry()
    if to not in WRITERS:
        raise InputError("unknown-output-format", name=to, hint=did_you_mean(to, WRITERS))
    writer, problems = WRITERS[to], IssueLog()
    located = locate_dataset(name, root, registry, format_name)
    with tempfile.TemporaryDirectory() as stage:  # for readers that generate images
        context = ReaderContext(located.path, Path(stage), False, problems, images)
        reader: DatasetReader = registry.build("reader", located.reader, context, dict(options or {}))
        dataset = reader.read() if split is None else divide_training_examples(reader.read(), split)
        if dataset.images_root == Path(stage):
            raise InputError("generated-data-not-converted", name=name)
        if dataset.labels.task not in writer.tasks:
            raise InputError("output-task-unsupported", format=to, task=dataset.labels.task)
        for part, missing in dataset.search.missing.items() if dataset.search else ():
            for place in missing:
                problems.warn(part, "image-missing", place)
        files = _output_files(output, list(dataset.splits), writer.suffix)
        counts, dropped = dict[Split, int](), 0
        for part, examples in dataset.splits.items():
            kept = list(examples)
            dropped += 0 if writer.has_objects else sum(len(example.objects) for example in kept)
            with atomic_file(files[part]) as draft:  # in the same folder, to which the paths of images are relative
                counts[part] = writer.write(kept, draft)
    return ConversionReport(dataset.source, files, counts, dropped, problems.issues())


def _output_files(output: Path, splits: list[Split], suffix: str) -> dict[Split, Path]:
    is_file = output.suffix != "" and not output.is_dir()
    if is_file and len(splits) > 1:
        raise InputError("output-needs-folder", output=output, splits=splits)
    files = {split: output if is_file else output / f"{split}{suffix}" for split in splits}
    if existing := next((file for file in files.values() if file.exists()), None):
        raise InputError("output-file-exists", file=existing)
    return files
