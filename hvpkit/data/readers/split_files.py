"""Find the files of the splits under a path of a user."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from glob import escape
from pathlib import Path

from hvpkit.data.readers.sample import Sample
from hvpkit.errors import DataError
from hvpkit.images.decode import image_suffixes
from hvpkit.records.split_names import split_from_name, split_in_name
from hvpkit.types import SPLITS, Split

_PART = re.compile(r"-(\d{5})-of-(\d{5})\.")
DOCUMENTS = (".ann", ".ann.gz", ".arrow")  # a folder with such files is the data of one split


def dataset_name(path: Path) -> str:
    """Name a dataset after its file, or after the folder if the file is named after a split."""
    path = Path(os.path.abspath(path))
    if not path.is_file():
        return path.name
    stem = path.name.removesuffix(".gz").rpartition(".")[0] or path.name
    return path.parent.name if split_from_name(stem) else stem


def find_samples(root: Path) -> dict[Split, list[Sample]]:
    """Find the files or folders that may be the splits of a dataset.

    A file is one split; a folder has files that are named after splits, or subfolders that are, or a single file.

    Raises:
        DataError: "data-path-missing" or "data-already-prepared".
    """
    if not root.exists():
        raise DataError("data-path-missing", path=root)
    if root.is_file():
        return {split_in_name(root.name) or "train": [Sample.from_path(root)]}
    if (root / "manifest.json").is_file():
        raise DataError("data-already-prepared", folder=root)
    if _is_document_folder(root):
        return {"train": [Sample.from_path(root)]}
    by_split: dict[Split, list[Sample]] = defaultdict(list)
    files = list(_data_files(root))
    for split, path in (*((split_in_name(file.name), file) for file in files), *_split_folders(root)):
        if split:
            by_split[split].append(Sample.from_path(path))
    if not by_split and len(files) == 1:
        by_split["train"] = [Sample.from_path(files[0])]
    return {split: by_split[split] for split in SPLITS if split in by_split}


def choose_samples(samples: Iterable[Sample], split: Split) -> Sample:
    """Return the only file of a split.

    A file that is named after the split alone, such as `train.jsonl`, is preferred to others, such as `my_train.jsonl`.

    Raises:
        DataError: "split-twice".
    """
    beginnings = [
        sample for sample in samples if (match := _PART.search(sample.path.name)) is None or int(match[1]) == 0
    ]
    exact = [sample for sample in beginnings if split_from_name(sample.path.name.partition(".")[0])]
    first, *others = exact or beginnings
    if others:
        raise DataError("split-twice", first=first.path, second=others[0].path, split=split)
    return first


def file_parts(file: Path) -> list[Path]:
    """Return all parts of a file that is stored in several, such as `train-00000-of-00002.parquet`; else the file."""
    if not _PART.search(file.name):
        return [file]
    return sorted(file.parent.glob(_PART.sub(r"-?????-of-\2.", escape(file.name))))


def _data_files(folder: Path) -> Iterator[Path]:
    for entry in _entries(folder):
        if entry.is_file() and not entry.name.startswith("."):
            path = Path(entry.path)
            if path.suffix.lower() not in image_suffixes() and not entry.name.endswith(("_dict.pth", ".py", ".md")):
                yield path


def _split_folders(folder: Path) -> Iterator[tuple[Split, Path]]:
    """Iterate over the subfolders of documents of a split, and over the single files in other subfolders of splits."""
    for entry in _entries(folder):
        split = split_from_name(entry.name)
        if not split or not entry.is_dir():
            continue
        path = Path(entry.path)
        files = [path] if _is_document_folder(path) else list(_data_files(path))
        if len(files) == 1:
            yield split, files[0]


def _is_document_folder(folder: Path) -> bool:
    return any(entry.name.endswith(DOCUMENTS) for entry in _entries(folder))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:  # no permission, or deleted meanwhile
        return []
