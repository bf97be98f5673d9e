"""Objects that somebody else found: the dataset's own, annotated boxes, or the crops that were released."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from hvpkit.data.readers.crop_lists import CropLists, read_crop_list
from hvpkit.data.readers.find_files import crop_list_for
from hvpkit.data.readers.image_index import ImageIndex
from hvpkit.detection.pascal_voc import read_pascal_voc
from hvpkit.errors import DataError, InputError
from hvpkit.interfaces import DetectionQuery, ObjectDetector
from hvpkit.types import Split, VisualObject

Lookup = Callable[[DetectionQuery], list[VisualObject]]


class AnnotatedDetector(ObjectDetector):
    """Looks objects up; finds none where nobody has looked."""

    version = "annotated"

    def __init__(self, look: Lookup) -> None:
        self._look = look

    def detect(self, queries: Sequence[DetectionQuery]) -> list[list[VisualObject] | InputError]:
        """Look up each query's objects."""
        return [self._one(query) for query in queries]

    def _one(self, query: DetectionQuery) -> list[VisualObject] | InputError:
        try:
            return self._look(query)
        except InputError as error:
            return error


def load_annotated(source: str | None, crops: str | None) -> AnnotatedDetector:
    """Open a source of known objects (hvpkit/detection/__init__.py says which); raises DataError when it is not one."""
    if source is None:
        if crops is not None:
            raise DataError("crops-without-source")
        return AnnotatedDetector(lambda query: list(query.example.objects))
    place = Path(source).expanduser().absolute()
    if place.is_file():
        lists = {_split_of(place): _list(place)}
    elif place.is_dir():
        annotated = {file.stem: file for file in sorted(place.glob("*.xml"))}
        if annotated:
            return AnnotatedDetector(lambda query: _annotated(annotated, query))
        lists = {split: _list(file) for split, file in _lists_in(place).items()}
    else:
        raise DataError("source-missing", source=place)
    if not lists:
        raise DataError("source-without-objects", source=place)
    if crops is None:
        raise DataError("crop-folder-not-given", source=place)
    if not Path(crops).expanduser().is_dir():
        raise DataError("crop-folder-missing", source=place, folder=crops)
    if any(isinstance(line, int) for line in lists.get(None, ())):
        raise DataError("crop-list-without-split", source=place)
    index = ImageIndex([Path(crops).expanduser().absolute()])
    return AnnotatedDetector(lambda query: _listed(lists, index, query))


def _annotated(files: dict[str, Path], query: DetectionQuery) -> list[VisualObject]:
    image = query.example.image
    file = None if image is None else files.get(image.stem)
    return [] if file is None else read_pascal_voc(file, query.size)


def _split_of(file: Path) -> Split | None:
    """Give the split that a list of crops is for; None for one of every split, by names of images."""
    listed = crop_list_for(file)
    return listed[1] if listed else None


def _lists_in(folder: Path) -> dict[Split | None, Path]:
    found: dict[Split | None, Path] = {}
    for file in sorted(folder.iterdir()):
        split = _split_of(file)
        if split and found.setdefault(split, file) != file:
            raise DataError("crop-lists-of-one-split", first=found[split], second=file, split=split)
    return found


def _list(file: Path) -> CropLists:
    table = read_crop_list(file)
    named = Counter(Path(name).stem for name in table if isinstance(name, str))
    stems: CropLists = {Path(name).stem: crops for name, crops in table.items() if isinstance(name, str) and named[Path(name).stem] == 1}
    return stems | table  # an image may lie there with another ending than its list has


def _listed(lists: dict[Split | None, CropLists], index: ImageIndex, query: DetectionQuery) -> list[VisualObject]:
    """Look up crops by the image's name, or by the line that the pairs of MNRE have in their ids."""
    image, split = query.example.image, query.split or "train"
    table = lists.get(query.split) or lists.get(None) or {}
    line = re.fullmatch(r".*:(\d+)", query.example.id, re.DOTALL)
    names = table.get(image.name, table.get(image.stem)) if image else None
    if names is None and line:
        names = table.get(int(line[1]) - 1)
    paths = [(name, index.find(name, split)) for name in names or ()]
    missing = [name for name, path in paths if path is None]
    if missing and len(missing) == len(paths):
        raise DataError("crops-missing", example=query.example.id, names=missing[:3])
    return [VisualObject(path) for _, path in paths if path]
