"""Find the text files, images and crops of Twitter-2015, Twitter-2017 and MNRE under a root folder.

Folders are recognized by words in their names, and folders named after another dataset are skipped. The root
may have the layout of the 2022 release, contain one folder per dataset, or be the folder of the dataset itself.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hvpkit.errors import DataError
from hvpkit.records.split_names import SPLIT_NAMES, split_from_name
from hvpkit.types import SPLITS, Split

MAX_DEPTH = 4


@dataclass(frozen=True)
class DatasetLayout:
    """Names by which the folders and files of a public dataset are recognized.

    Attributes:
        name: Name of the dataset.
        folders: Words in the names of its folders (letters and digits, lower case).
        prefixes: Prefixes of its text files.
        suffixes: Extensions of its text files, without the dot.
        layouts: Expected paths of the text files, for messages.
        images: Expected path of an image, for messages.
    """

    name: str
    folders: tuple[str, ...]
    prefixes: tuple[str, ...]
    suffixes: tuple[str, ...]
    layouts: tuple[str, ...]
    images: str


TWITTER2015, TWITTER2017 = (
    DatasetLayout(
        f"twitter{year}",
        (f"twitter{year}", f"twitter{year - 2000}"),
        (f"twitter{year}",),
        ("txt",),
        (f"NER_data/twitter{year}/{{train,valid,test}}.txt", f"twitter{year}/{{train,valid,test}}.txt"),
        f"twitter{year}_images/<id>.jpg",
    )
    for year in (2015, 2017)
)
MNRE = DatasetLayout(
    "mnre",
    ("mnre", "redata", "mredata"),
    ("mnre", "ours", "mre"),
    ("txt", "json", "jsonl"),
    ("RE_data/txt/ours_{train,val,test}.txt", "mnre/mnre_{train,val,test}.txt"),
    "img_org/{train,val,test}/<name>.jpg",
)
LAYOUTS = (TWITTER2015, TWITTER2017, MNRE)


def names_folder(name: str, folders: Iterable[str]) -> bool:
    """Check whether a word of a name begins with one of the names of folders, as in `Twitter_2017-images`.

    Args:
        name: Name of a folder or dataset.
        folders: Letters and digits in lower case.
    """
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
    return any(re.search(rf"(?<![a-z0-9]){'[^a-z0-9]*'.join(folder)}", words) for folder in folders)


def folders_under(root: Path, depth: int = MAX_DEPTH) -> Iterator[Path]:
    """List folders breadth-first, following links and skipping hidden and unreadable folders."""
    level = [root]
    for _ in range(depth + 1):
        next_level = []
        for folder in level:
            yield folder
            next_level += _subfolders(folder)
        level = next_level


def _subfolders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except OSError:  # no permission, or deleted meanwhile
        return []


def belongs_to_other_dataset(folder: Path, root: Path, layout: DatasetLayout) -> bool:
    """Check whether a path, from the name of the root on, names another dataset, and not this one."""
    parts = (root.name, *folder.relative_to(root).parts)
    if any(names_folder(part, layout.folders) for part in parts):
        return False
    return any(_names_other_dataset(part, layout) for part in parts)


def _names_other_dataset(name: str, layout: DatasetLayout) -> bool:
    return any(names_folder(name, other.folders) for other in LAYOUTS if other is not layout)


def find_text_files(root: Path, layout: DatasetLayout) -> dict[Split, Path]:
    """Find the text file of each available split; all must be in one folder.

    Raises:
        DataError: "root-missing", "no-text-files", "dataset-found-twice" if two folders at the same depth have
            them, or "split-twice" if two files are the same split.
    """
    if not root.is_dir():
        raise DataError("root-missing", folder=root, dataset=layout.name)
    candidates = [(folder, texts) for folder in folders_under(root) if (texts := _split_files(folder, root, layout))]
    if not candidates:
        raise DataError("no-text-files", dataset=layout.name, folder=root, expected=" or ".join(layout.layouts))
    depth = len(candidates[0][0].parts)
    folders = [folder for folder, _ in candidates if len(folder.parts) == depth]
    if len(folders) > 1:
        raise DataError("dataset-found-twice", dataset=layout.name, folders=folders)
    return candidates[0][1]


def _split_files(folder: Path, root: Path, layout: DatasetLayout) -> dict[Split, Path]:
    parts = folder.relative_to(root).parts
    is_named = not parts or any(names_folder(part, layout.folders) for part in parts)
    optional = "?" if is_named and not belongs_to_other_dataset(folder, root, layout) else ""
    prefix = rf"(?:(?:{'|'.join(layout.prefixes)})[_-]){optional}"
    pattern = re.compile(rf"{prefix}({'|'.join(SPLIT_NAMES)})\s*\.(?:{'|'.join(layout.suffixes)})", re.IGNORECASE)
    texts: dict[Split, Path] = {}
    for file in _files(folder):
        match = pattern.fullmatch(file.name)
        split = split_from_name(match[1]) if match else None
        if split and texts.setdefault(split, file) != file:
            raise DataError("split-twice", first=texts[split], second=file, split=split)
    return {split: texts[split] for split in SPLITS if split in texts}


def _files(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_file())
    except OSError:  # no permission, or deleted meanwhile
        return []


def image_folders(root: Path, texts: Path, layout: DatasetLayout) -> list[Path]:
    """List folders that may contain full images, most likely first; the folder of the text files is last."""
    named = [
        folder
        for folder in _candidates(root, texts, layout)
        if _name_contains(folder, "image", "img", "picture", "photo")
    ]
    kept = [folder for folder in named if not _is_crop_folder(folder) and not _name_contains(folder, "detect")]
    return [*sorted(kept, key=lambda folder: not names_folder(folder.name, layout.folders)), texts]


def crop_folders(root: Path, texts: Path, layout: DatasetLayout) -> list[Path]:
    """List folders that may contain crops of objects, most likely first."""
    folders = [folder for folder in _candidates(root, texts, layout) if _is_crop_folder(folder)]
    return sorted(folders, key=lambda folder: not names_folder(folder.name, layout.folders))


def crop_lists(root: Path, texts: Path, layout: DatasetLayout) -> dict[Split, Path]:
    """Find the released crop lists, `*_{train,val,dev,test}_dict.pth`, near the text files."""
    lists: dict[Split, Path] = {}
    for folder in dict.fromkeys((texts, texts.parent, root)):
        for file in _files(folder) if folder.is_relative_to(root) else ():
            dataset, split = crop_list_for(file) or ("", None)
            if split and not _names_other_dataset(dataset, layout):
                lists.setdefault(split, file)
    return lists


def crop_list_for(file: Path) -> tuple[str, Split] | None:
    """Return the dataset name and split of a crop list, None if the file name is not that of a crop list."""
    match = re.fullmatch(rf"(?:(.*)_)?({'|'.join(SPLIT_NAMES)})_dict\.pth", file.name, re.IGNORECASE)
    return (match[1] or "", SPLIT_NAMES[match[2].lower()]) if match else None


def _candidates(root: Path, texts: Path, layout: DatasetLayout) -> list[Path]:
    subfolders = [folder for folder in folders_under(root) if folder != root]
    in_root = [folder for folder in subfolders if not belongs_to_other_dataset(folder, root, layout)]
    siblings = [folder for folder in _subfolders(root.parent) if folder != root] if texts == root else []
    if not names_folder(root.parent.name, layout.folders):
        siblings = [folder for folder in siblings if names_folder(folder.name, layout.folders)]
    return [*in_root, *(inner for folder in siblings for inner in folders_under(folder, 2))]


def _name_contains(folder: Path, *names: str) -> bool:
    return any(name in _letters(folder) for name in names)


def _is_crop_folder(folder: Path) -> bool:
    return _name_contains(folder, "auximage", "crop") or _letters(folder).endswith(("vg", "aux"))


def _letters(folder: Path) -> str:
    """Return the letters and digits of the name of a folder in lower case."""
    return re.sub(r"[^a-z0-9]", "", folder.name.lower())
