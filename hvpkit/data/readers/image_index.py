"""Images and crops by file name, over many folders (no torch)."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

from hvpkit.data.readers.find_files import split_from_name
from hvpkit.types import Split

SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff")
CROP = re.compile(r"(.+?)(?:\.(?:jpe?g|png))?_(?:pred_yolo_)?crop_?(\d+)", re.IGNORECASE)

_Place = tuple[Split | None, Path]


class ImageIndex:
    """Image files of some folders and of the folders within; a folder called after a split serves that split first.

    Names are looked up, never joined to a path, so no name can lead outside.
    """

    def __init__(self, folders: Iterable[Path], *, only_splits_of: Path | None = None, skip: Iterable[Path] = ()) -> None:
        """`only_splits_of`: the folder of which no other subfolders than those called after splits are searched; `skip`: passed over."""
        self._by_name: dict[str, list[_Place]] = defaultdict(list)
        self._by_stem: dict[str, list[_Place]] = defaultdict(list)
        self._seen, self._splits_only = set(skip), only_splits_of
        for folder in folders:
            self._add(folder, _split_in(folder), 3)

    def find(self, name: str, split: Split) -> Path | None:
        """Find an image by its file name, or else by its name with another ending, in the split's own folders first."""
        return _best(self._by_name.get(name) or self._by_stem.get(os.path.splitext(name)[0]) or (), split)

    def crops(self, image: str, split: Split) -> list[Path]:
        """List an image's crops, `<its name>_crop_<number>`, by number."""
        found: dict[int, list[_Place]] = defaultdict(list)
        for number, place in self._crops.get(os.path.splitext(image)[0], ()):
            found[number].append(place)
        return [path for number in sorted(found) if (path := _best(found[number], split))]

    @cached_property
    def _crops(self) -> dict[str, list[tuple[int, _Place]]]:
        table: dict[str, list[tuple[int, _Place]]] = defaultdict(list)
        for stem, places in self._by_stem.items():
            if match := CROP.fullmatch(stem):
                table[match[1]] += [(int(match[2]), place) for place in places]
        return table

    def _add(self, folder: Path, split: Split | None, depth: int) -> None:
        if folder in self._seen:
            return
        self._seen.add(folder)
        for entry in _entries(folder):
            path = Path(entry.path)
            stem, suffix = os.path.splitext(entry.name)
            if suffix.lower() in SUFFIXES:
                self._by_name[entry.name].append((split, path))
                self._by_stem[stem].append((split, path))
            elif (
                depth and entry.is_dir() and not entry.name.startswith(".") and (folder != self._splits_only or split_from_name(entry.name))
            ):
                self._add(path, split_from_name(entry.name) or split, depth - 1)


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from sorted(entries, key=lambda entry: entry.name)
    except OSError:  # not ours to read, or gone
        return


def _split_in(folder: Path) -> Split | None:
    return next((split for part in reversed(folder.parts[-2:]) if (split := split_from_name(part))), None)


def _best(places: Iterable[_Place], split: Split) -> Path | None:
    """Prefer the split's own folder, then one of no split, then any."""
    return min(places, key=lambda place: (place[0] != split, place[0] is not None), default=(None, None))[1]
