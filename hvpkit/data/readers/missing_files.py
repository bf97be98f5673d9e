"""Collect the images and crops of records that do not exist."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from hvpkit.data.readers.base import ImageSearch
from hvpkit.images.decode import reraise_os_error
from hvpkit.messages import Message
from hvpkit.records.image_roots import ImageRoots
from hvpkit.records.issues import Issue, ReadingContext
from hvpkit.types import Example, ImageSource, Split, VisualObject

REFUSED = ("image-not-file-name", "image-name-invalid", "image-outside-folder", "image-is-url")


@dataclass
class MissingFiles:
    """Images and crops that do not exist or are refused, each with the location of its first use.

    Attributes:
        roots: Folders in which images are looked up.
    """

    roots: ImageRoots
    _images: dict[Split, dict[Path, str]] = field(default_factory=dict)
    _crops: dict[Split, dict[Path, str]] = field(default_factory=dict)
    _refused: dict[str, dict[str, Message]] = field(default_factory=dict)

    def drop(self, example: Example, source: ReadingContext, line: int) -> Example:
        """Return an example without its missing files; the boxes of a missing image go with it.

        Args:
            example: Example whose files are in `folder`.
            source: File of the example.
            line: Line of the example, from 1.
        """
        image = example.image
        if image is not None and not self._exists(image, self._images, source, line):
            image = None
        objects = (self._drop_crop(item, image, source, line) for item in example.objects)
        return replace(example, image=image, objects=tuple(item for item in objects if item is not None))

    def add_refused(self, name: object, issues: Iterable[Issue]) -> None:
        """Count the image of a record if it was refused.

        Args:
            name: Name of the image in the record.
            issues: Issues of the record.
        """
        for issue in issues:
            if issue.message.code in REFUSED and issue.message.fields.get("key") != "objects":
                self._refused.setdefault(issue.message.code, {}).setdefault(str(name), issue.message)
                return

    def search(self) -> ImageSearch:
        """Return the result of the search for images."""
        missing, crops = (
            {split: tuple(files.values()) for split, files in by_split.items()}
            for by_split in (self._images, self._crops)
        )
        refused = {code: (len(names), next(iter(names.values()))) for code, names in self._refused.items()}
        advice = Message("name-image-folder") if missing else Message("name-images")
        return ImageSearch(self.roots.folders, missing, crops, advice, refused)

    def _drop_crop(
        self, item: VisualObject, image: ImageSource | None, source: ReadingContext, line: int
    ) -> VisualObject | None:
        if item.image is not None and not self._exists(item.image, self._crops, source, line):
            item = replace(item, image=None)
        return None if item.image is None and (item.box is None or image is None) else item

    def _exists(
        self, file: ImageSource, missing: dict[Split, dict[Path, str]], source: ReadingContext, line: int
    ) -> bool:
        if not isinstance(file, Path) or _is_file(file):
            return True
        folder = self.roots.folders[0]
        name = file.relative_to(folder).as_posix() if file.is_relative_to(folder) else str(file)
        location = f"{source.file}:{line}: {name}"
        missing.setdefault(source.split, {}).setdefault(file, location)
        return False


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:  # name too long, or no permission for the folder
        reraise_os_error(error)
        return False
