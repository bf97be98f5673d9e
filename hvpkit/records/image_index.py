"""Look up images and crops by file name in several folders."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

from hvpkit.images.decode import image_suffixes
from hvpkit.records.split_names import split_from_name
from hvpkit.types import Split

CROP = re.compile(r"(.+?)(?:\.(?:jpe?g|png))?_(?:pred_yolo_)?crop_?(\d+)", re.IGNORECASE)

_IndexedFile = tuple[Split | None, Path]


class ImageIndex:
    """Index of the image files of some folders and their subfolders, with every ending that can be decoded.

    A folder named after a split is preferred for that split. Names are looked up and never joined to a path, so that
    no name can lead out of the folders.

    Args:
        folders: Folders to index, most likely first.
        only_splits_of: Folder of which only subfolders named after splits are searched.
        skip: Folders that are not searched.
    """

    def __init__(
        self, folders: Iterable[Path], *, only_splits_of: Path | None = None, skip: Iterable[Path] = ()
    ) -> None:
        self._by_name: dict[str, list[_IndexedFile]] = defaultdict(list)
        self._by_stem: dict[str, list[_IndexedFile]] = defaultdict(list)
        self._seen, self._splits_only = set(skip), only_splits_of
        for folder in folders:
            self._add(folder, _split_in(folder), 3)

    def find(self, name: str, split: Split) -> Path | None:
        """Find an image by file name; folders of the split first.

        Without a file of exactly this name, letter case and Unicode normal form are ignored, then the extension.
        """
        return _best(self._candidates(name), split)

    def _candidates(self, name: str) -> list[_IndexedFile]:
        files = self._by_name.get(name) or self._by_folded_name.get(fold_name(name))
        return (
            files or self._by_stem.get(image_stem(name)) or self._by_folded_stem.get(fold_name(image_stem(name))) or []
        )

    def crops(self, image: str, split: Split) -> list[Path]:
        """List the crops of an image, named `<stem>_crop_<number>`, by number."""
        by_number: dict[int, list[_IndexedFile]] = defaultdict(list)
        for number, file in self._crops.get(image_stem(image), ()):
            by_number[number].append(file)
        return [path for number in sorted(by_number) if (path := _best(by_number[number], split))]

    @cached_property
    def _by_folded_name(self) -> dict[str, list[_IndexedFile]]:
        return _fold(self._by_name)

    @cached_property
    def _by_folded_stem(self) -> dict[str, list[_IndexedFile]]:
        return _fold(self._by_stem)

    @cached_property
    def _crops(self) -> dict[str, list[tuple[int, _IndexedFile]]]:
        table: dict[str, list[tuple[int, _IndexedFile]]] = defaultdict(list)
        for stem, files in self._by_stem.items():
            if match := CROP.fullmatch(stem):
                table[match[1]] += [(int(match[2]), file) for file in files]
        return table

    def _add(self, folder: Path, split: Split | None, depth: int) -> None:
        if folder in self._seen:
            return
        self._seen.add(folder)
        for entry in _entries(folder):
            path = Path(entry.path)
            stem, suffix = os.path.splitext(entry.name)
            if suffix.lower() in image_suffixes():
                self._by_name[entry.name].append((split, path))
                self._by_stem[stem].append((split, path))
            elif depth and entry.is_dir() and not entry.name.startswith("."):
                split_of_folder = split_from_name(entry.name)
                if split_of_folder or folder != self._splits_only:
                    self._add(path, split_of_folder or split, depth - 1)


def fold_name(name: str) -> str:
    """Return a name without differences of letter case and Unicode normal form."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def image_stem(name: str) -> str:
    """Return the name of an image without its extension; dots before anything else belong to the name."""
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in image_suffixes() else name


def _fold(table: dict[str, list[_IndexedFile]]) -> dict[str, list[_IndexedFile]]:
    folded: dict[str, list[_IndexedFile]] = defaultdict(list)
    for name, files in table.items():
        folded[fold_name(name)] += files
    return folded


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from sorted(entries, key=lambda entry: entry.name)
    except OSError:  # no permission, or deleted meanwhile
        return


def _split_in(folder: Path) -> Split | None:
    return next((split for part in reversed(folder.parts[-2:]) if (split := split_from_name(part))), None)


def _best(files: Iterable[_IndexedFile], split: Split) -> Path | None:
    """Prefer a folder of the split, then a folder of no split, then any."""
    return min(files, key=lambda file: (file[0] != split, file[0] is not None), default=(None, None))[1]
