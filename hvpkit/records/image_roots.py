"""Look up the image names of records in the folders that a user allows."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from hvpkit.images.decode import image_suffixes, reraise_os_error
from hvpkit.messages import Message
from hvpkit.records.image_index import ImageIndex, fold_name, image_stem
from hvpkit.records.image_paths import FindImage
from hvpkit.records.issues import RecordError
from hvpkit.types import Split

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|data:")


class ImageRoots:
    """The folder of the data and the folders of its images; a file is used only if it resolves into one of them.

    A relative name is looked for in each folder: exactly, then without regard to letter case, Unicode normal form and
    extension; a bare file name is also looked for in the subfolders of `folders`.

    Args:
        folder: Folder of the data.
        folders: Further folders that contain images.
    """

    def __init__(self, folder: Path, folders: Iterable[Path] = ()) -> None:
        self._own = Path(os.path.abspath(folder))
        self._named = tuple(root for path in folders if (root := Path(os.path.abspath(path))) != self._own)
        self.folders = tuple(dict.fromkeys((self._own, *self._named)))
        self._resolved = {root: Path(os.path.realpath(root)) for root in self.folders}
        self._used: set[Path] = set()
        self._listings: dict[Path, dict[str, str]] = {}

    @property
    def common_root(self) -> Path:
        """Return the folder that contains every image that was found; the folder of the data if there is none."""
        return Path(os.path.commonpath([str(root) for root in self._used])) if self._used else self._own

    def locate(self, split: Split) -> FindImage:
        """Return a function that finds the images of a split, and returns a path without file for a missing one.

        It raises RecordError with the codes of `find`, or "image-name-invalid".
        """

        def locate_name(name: str) -> Path:
            if "\0" in name:
                raise RecordError("image-name-invalid", key="image", name=name, reason="embedded null byte")
            found = self.find(name, split)
            if isinstance(found, Message):
                raise RecordError(found)
            return found or Path(os.path.normpath(self._own / name))

        return locate_name

    def find(self, name: str, split: Split) -> Path | Message | None:
        """Find an image.

        Args:
            name: Path or file name in a record.
            split: Split of the record; in subfolders, those named after the split are preferred.

        Returns:
            The file; None if there is none; "image-is-url" or "image-outside-folder" if the name is refused.
        """
        if _URL.match(name):
            return Message("image-is-url", url=name)
        paths = [Path(os.path.normpath(root / name)) for root in self.folders]
        inside = [path for path in dict.fromkeys(paths) if self._root_of(path) is not None]
        existing = [path for path in dict.fromkeys(paths) if _is_file(path)]
        existing += [] if existing else self._similar(inside)
        existing += [] if existing or "/" in name else self._indexed(name, split)
        allowed = (self._allow(path) for path in existing)
        if file := next((path for path in allowed if path is not None), None):
            return file
        if existing or not inside or not all(map(_is_valid, inside)):
            return Message("image-outside-folder", image=name, folder=self._own)
        return None

    def _allow(self, path: Path) -> Path | None:
        """Return the path of a file that resolves into a root, None for other files."""
        resolved, root = Path(os.path.realpath(path)), self._root_of(path)
        if root is not None and resolved.is_relative_to(self._resolved[root]):
            self._used.add(root)
            return path
        target = next((real for real in self._resolved.values() if resolved.is_relative_to(real)), None)
        if target is None:
            return None
        self._used.add(target)
        return resolved

    def _root_of(self, path: Path) -> Path | None:
        return next((root for root in self.folders if path.is_relative_to(root)), None)

    def _similar(self, paths: Iterable[Path]) -> list[Path]:
        """List files of other letter case, normal form or extension."""
        similar = []
        for path in paths:
            root = self._root_of(path)
            file = root
            for part in path.relative_to(root).parts if root else ():
                file = file and self._entry(file, part)
            similar += [file] if file and file != root and _is_file(file) else []
        return similar

    def _entry(self, folder: Path, name: str) -> Path | None:
        """Return the entry of a folder with a similar name."""
        listing = self._listings.get(folder)
        if listing is None:
            listing = self._listings[folder] = _list_folder(folder)
        entry = listing.get(fold_name(name)) or listing.get(f"{fold_name(image_stem(name))}.")
        return folder / entry if entry else None

    def _indexed(self, name: str, split: Split) -> list[Path]:
        file = self._index.find(name, split) if self._named else None
        return [file] if file else []

    @cached_property
    def _index(self) -> ImageIndex:
        return ImageIndex(self._named)


def _list_folder(folder: Path) -> dict[str, str]:
    """Return the names in a folder by folded name, and those of images by folded stem with a dot."""
    try:
        names = sorted(os.listdir(folder))
    except (OSError, ValueError):  # missing, no permission, or no valid name
        return {}
    listing: dict[str, str] = {}
    for name in names:
        listing.setdefault(fold_name(name), name)
        if os.path.splitext(name)[1].lower() in image_suffixes():
            listing.setdefault(f"{fold_name(image_stem(name))}.", name)
    return listing


def _is_valid(path: Path) -> bool:
    return "\0" not in str(path)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:  # name too long, or no permission for the folder
        reraise_os_error(error)
        return False
    except ValueError:  # no valid name
        return False
