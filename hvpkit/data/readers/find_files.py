"""Where people keep Twitter-2015, Twitter-2017 and MNRE: texts, images and crops found under one root folder (no torch).

The released layout, the plain one, and the dataset's own folder as the root are all searched the same way: folders are known by what their
names contain, and whatever names another dataset is passed over.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hvpkit.errors import DataError
from hvpkit.types import SPLITS, Split

DEPTH = 4
SPLIT_NAMES: dict[str, Split] = {"train": "train", "valid": "dev", "val": "dev", "dev": "dev", "test": "test"}


@dataclass(frozen=True)
class DatasetLayout:
    """A public dataset: how its folders are called (letters and digits, lower case), its files' prefixes and endings, how to lay it out."""

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
    ("mnre", "redata"),
    ("mnre", "ours", "mre"),
    ("txt", "json", "jsonl"),
    ("RE_data/txt/ours_{train,val,test}.txt", "mnre/mnre_{train,val,test}.txt"),
    "img_org/{train,val,test}/<name>.jpg",
)
ALL = (TWITTER2015, TWITTER2017, MNRE)


def normalize_name(name: str) -> str:
    """Give a name's letters and digits, lower case."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def split_from_name(name: str) -> Split | None:
    """Say which split a folder or file stem is called after, if any."""
    return SPLIT_NAMES.get(name.strip().lower())


def folders_under(root: Path, depth: int = DEPTH) -> Iterator[Path]:
    """Walk folders, nearest first, links followed, hidden ones and unreadable ones passed over."""
    level = [root]
    for _ in range(depth + 1):
        below = []
        for folder in level:
            yield folder
            below += _inside(folder)
        level = below


def _inside(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except OSError:  # not ours to read, or gone
        return []


def belongs_to_other_dataset(folder: Path, root: Path, known: DatasetLayout) -> bool:
    """Say whether a folder's path, from the root's own name down, names another dataset and not this one."""
    parts = [normalize_name(part) for part in (root.name, *folder.relative_to(root).parts)]
    if any(name in part for part in parts for name in known.folders):
        return False
    return any(name in part for part in parts for other in ALL if other is not known for name in other.folders)


# ------------------------------------------------------------------------------------------------------------------- texts
def find_text_files(root: Path, known: DatasetLayout) -> dict[Split, Path]:
    """Find the text file of each split that is there, all of them in one folder.

    Raises DataError when there is none, when two folders have them at the same depth, or two files are the same split.
    """
    if not root.is_dir():
        raise DataError("root-missing", folder=root, dataset=known.name)
    found = [(folder, texts) for folder in folders_under(root) if (texts := _texts_in(folder, root, known))]
    if not found:
        raise DataError("no-text-files", dataset=known.name, folder=root, expected=" or ".join(known.layouts))
    depth = len(found[0][0].parts)
    rivals = [folder for folder, _ in found if len(folder.parts) == depth]
    if len(rivals) > 1:
        raise DataError("dataset-found-twice", dataset=known.name, folders=rivals)
    return found[0][1]


def _texts_in(folder: Path, root: Path, known: DatasetLayout) -> dict[Split, Path]:
    parts = folder.relative_to(root).parts
    named = not parts or any(name in normalize_name(part) for part in parts for name in known.folders)
    prefix = rf"(?:(?:{'|'.join(known.prefixes)})[_-])" + ("?" if named and not belongs_to_other_dataset(folder, root, known) else "")
    pattern = re.compile(rf"{prefix}({'|'.join(SPLIT_NAMES)})\s*\.(?:{'|'.join(known.suffixes)})", re.IGNORECASE)
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
    except OSError:  # not ours to read, or gone
        return []


# ---------------------------------------------------------------------------------------------------------- images, crops
def image_folders(root: Path, texts: Path, known: DatasetLayout) -> list[Path]:
    """List the folders that may hold whole images, likeliest first: named as such, then that of the texts."""
    named = [folder for folder in _candidates(root, texts, known) if _says(folder, "image", "img", "image", "photo")]
    kept = [folder for folder in named if not _of_crops(folder) and not _says(folder, "detect")]
    return [*sorted(kept, key=lambda folder: not _says(folder, *known.folders)), texts]


def crop_folders(root: Path, texts: Path, known: DatasetLayout) -> list[Path]:
    """List the folders that may hold crops of objects, likeliest first."""
    found = [folder for folder in _candidates(root, texts, known) if _of_crops(folder)]
    return sorted(found, key=lambda folder: not _says(folder, *known.folders))


def crop_lists(root: Path, texts: Path, known: DatasetLayout) -> dict[Split, Path]:
    """Find the released lists of crops, `*_{train,val,dev,test}_dict.pth`, near the texts."""
    lists: dict[Split, Path] = {}
    for folder in dict.fromkeys((texts, texts.parent, root)):
        for file in _files(folder) if folder.is_relative_to(root) else ():
            found = crop_list_for(file)
            if found and not any(name in normalize_name(found[0]) for other in ALL if other is not known for name in other.folders):
                lists.setdefault(found[1], file)
    return lists


def crop_list_for(file: Path) -> tuple[str, Split] | None:
    """Say of which dataset, by its name, and split a file lists the crops; None when it is no such list."""
    match = re.fullmatch(rf"(?:(.*)_)?({'|'.join(SPLIT_NAMES)})_dict\.pth", file.name, re.IGNORECASE)
    return (match[1] or "", SPLIT_NAMES[match[2].lower()]) if match else None


def _candidates(root: Path, texts: Path, known: DatasetLayout) -> list[Path]:
    under = [folder for folder in folders_under(root) if folder != root and not belongs_to_other_dataset(folder, root, known)]
    beside = [folder for folder in _inside(root.parent) if folder != root] if texts == root else []
    own = beside if _says(root.parent, *known.folders) else [folder for folder in beside if _says(folder, *known.folders)]
    return [*under, *(inner for folder in own for inner in folders_under(folder, 2))]


def _says(folder: Path, *names: str) -> bool:
    return any(name in normalize_name(folder.name) for name in names)


def _of_crops(folder: Path) -> bool:
    return _says(folder, "auximage", "crop") or normalize_name(folder.name).endswith(("vg", "aux"))
