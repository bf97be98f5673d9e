"""Detector that looks up known objects: those of the dataset, annotated boxes, or released crops."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from hvpkit.data.readers.crop_lists import CropLists, read_crop_list
from hvpkit.data.readers.find_files import crop_list_for
from hvpkit.detection.pascal_voc import read_pascal_voc
from hvpkit.errors import DataError, InputError
from hvpkit.interfaces import DetectionQuery, ObjectDetector
from hvpkit.messages import Message
from hvpkit.records.image_index import ImageIndex
from hvpkit.records.issues import Issue
from hvpkit.types import Split, VisualObject

log = logging.getLogger(__name__)

Lookup = Callable[[DetectionQuery], list[VisualObject]]


class AnnotatedDetector(ObjectDetector):
    """Look objects up; images without annotations have none.

    Args:
        look_up: Returns the objects of a query.
    """

    version = "annotated"

    def __init__(self, look_up: Lookup) -> None:
        self._look_up = look_up

    def detect(self, queries: Sequence[DetectionQuery]) -> list[list[VisualObject] | InputError]:
        """Look up the objects of each query."""
        return [self._objects_or_error(query) for query in queries]

    def _objects_or_error(self, query: DetectionQuery) -> list[VisualObject] | InputError:
        try:
            return self._look_up(query)
        except InputError as error:
            return error


def load_annotated(source: str | None, crops: str | None) -> AnnotatedDetector:
    """Open a source of annotated objects.

    Args:
        source: See `build_annotated` in hvpkit/detection/__init__.py.
        crops: Folder of the crops that a `_dict.pth` file lists.

    Raises:
        DataError: "source-missing", "source-without-objects", "crops-without-source", "crop-folder-not-given",
            "crop-folder-missing", "crop-list-without-split" or "crop-lists-of-one-split".
    """
    if source is None:
        if crops is not None:
            raise DataError("crops-without-source")
        return AnnotatedDetector(lambda query: list(query.example.objects))
    path = Path(source).expanduser().absolute()
    if path.is_file():
        lists = {_split_of_list(path): _load_crop_list(path)}
    elif path.is_dir():
        annotated = {file.stem: file for file in sorted(path.glob("*.xml"))}
        if annotated:
            return AnnotatedDetector(_PascalVocFiles(annotated).look_up)
        lists = {split: _load_crop_list(file) for split, file in _find_crop_lists(path).items()}
    else:
        raise DataError("source-missing", source=path)
    if not lists:
        raise DataError("source-without-objects", source=path)
    if crops is None:
        raise DataError("crop-folder-not-given", source=path)
    if not Path(crops).expanduser().is_dir():
        raise DataError("crop-folder-missing", source=path, folder=crops)
    if any(isinstance(line, int) for line in lists.get(None, ())):
        raise DataError("crop-list-without-split", source=path)
    index = ImageIndex([Path(crops).expanduser().absolute()])
    return AnnotatedDetector(lambda query: _objects_from_crops(lists, index, query))


class _PascalVocFiles:
    """PASCAL VOC files by the stem of their image; the issues of each file are logged once."""

    def __init__(self, files: dict[str, Path]) -> None:
        self._files, self._logged = files, set[Path]()

    def look_up(self, query: DetectionQuery) -> list[VisualObject]:
        """Return the annotated objects of an image."""
        image, issues = query.example.image, list[Issue]()
        file = self._files.get(image.stem) if isinstance(image, Path) else None
        if file is None:
            return []
        objects = read_pascal_voc(file, query.size, issues)
        for issue in issues if file not in self._logged else ():
            log.warning(Message("annotation-issue", file=file, reason=issue.message))
        self._logged.add(file)
        return objects


def _split_of_list(file: Path) -> Split | None:
    """Return the split of a crop list; None for a list of all splits, keyed by image names."""
    file_and_split = crop_list_for(file)
    return file_and_split[1] if file_and_split else None


def _find_crop_lists(folder: Path) -> dict[Split | None, Path]:
    files: dict[Split | None, Path] = {}
    for file in sorted(folder.iterdir()):
        split = _split_of_list(file)
        if split and files.setdefault(split, file) != file:
            raise DataError("crop-lists-of-one-split", first=files[split], second=file, split=split)
    return files


def _load_crop_list(file: Path) -> CropLists:
    table = read_crop_list(file)
    by_name = {name: crops for name, crops in table.items() if isinstance(name, str)}
    counts = Counter(Path(name).stem for name in by_name)
    stems: CropLists = {Path(name).stem: crops for name, crops in by_name.items() if counts[Path(name).stem] == 1}
    return stems | table  # an image file may have another suffix than in the list


def _objects_from_crops(
    lists: dict[Split | None, CropLists], index: ImageIndex, query: DetectionQuery
) -> list[VisualObject]:
    """Look up crops by image name, or by the line number that is part of the ids of MNRE."""
    image, split = query.example.image, query.split or "train"
    table = lists.get(query.split) or lists.get(None) or {}
    line = re.fullmatch(r".*:(\d+)", query.example.id, re.DOTALL)
    names = table.get(image.name, table.get(image.stem)) if isinstance(image, Path) else None
    if names is None and line:
        names = table.get(int(line[1]) - 1)
    paths = [(name, index.find(name, split)) for name in names or ()]
    missing = [name for name, path in paths if path is None]
    if missing and len(missing) == len(paths):
        raise DataError("crops-missing", example=query.example.id, names=missing[:3])
    return [VisualObject(path) for _, path in paths if path]
