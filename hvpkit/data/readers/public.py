"""The public datasets in whatever layout they lie: texts read, images and crops looked up (no torch)."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from hvpkit.data.readers.base import DatasetSplits, ImageSearch, ReaderContext
from hvpkit.data.readers.crop_lists import KEPT, CropListError, CropLists, read_crop_list
from hvpkit.data.readers.find_files import MNRE, DatasetLayout, crop_folders, crop_lists, find_text_files, image_folders
from hvpkit.data.readers.image_index import ImageIndex
from hvpkit.data.readers.mnre import read_pairs
from hvpkit.data.readers.twitter import read_tweets
from hvpkit.data.readers.unlinked import UnlinkedExample
from hvpkit.messages import Message
from hvpkit.records.issues import IssueLog, ReadingContext
from hvpkit.types import Example, Labels, Split, VisualObject


def read_public(known: DatasetLayout, labels: Labels, context: ReaderContext) -> DatasetSplits:
    """Read one of the public datasets; raises DataError when its texts are not there or cannot be used."""
    root = Path(os.path.abspath(context.root))
    files = find_text_files(root, known)
    read: Callable[[ReadingContext], list[UnlinkedExample]] = read_pairs if known is MNRE else read_tweets
    drafts = {split: read(ReadingContext(file, split, context.issues)) for split, file in files.items()}
    texts = next(iter(files.values())).parent
    source = f"{', '.join(file.name for file in files.values())} of {texts}"
    if context.text_only:
        return DatasetSplits(labels, {split: [draft.example for draft in found] for split, found in drafts.items()}, None, source)
    images = _Images(root, texts, known, context.issues)
    splits = {split: [images.give(draft, split) for draft in found] for split, found in drafts.items()}
    return DatasetSplits(labels, splits, root.parent if texts == root else root, source, search=images.search())


class _Images:
    """Gives examples their images and crops, and remembers what is missing."""

    def __init__(self, root: Path, texts: Path, known: DatasetLayout, problems: IssueLog) -> None:
        folders, crops = image_folders(root, texts, known), crop_folders(root, texts, known)
        self._folders, self._known, self._root = folders, known, root
        self._images = ImageIndex(folders, only_splits_of=texts, skip=crops)
        self._crops = ImageIndex(crops)
        self._lists = {split: lists for split, file in crop_lists(root, texts, known).items() if (lists := _list(file, split, problems))}
        self._missing: dict[Split, dict[str, None]] = {}
        self._missing_crops: dict[Split, dict[str, None]] = {}

    def give(self, draft: UnlinkedExample, split: Split) -> Example:
        """Give an example the image and the crops that are there."""
        image = self._images.find(draft.image, split) if draft.image else None
        if draft.image and image is None:
            self._missing.setdefault(split, {})[draft.image] = None
        objects = tuple(VisualObject(path) for path in self._objects(draft, split))
        return replace(draft.example, image=image, objects=objects)

    def search(self) -> ImageSearch:
        """Say how the search went."""
        missing = {split: tuple(names) for split, names in self._missing.items()}
        missing_crops = {split: tuple(names) for split, names in self._missing_crops.items()}
        advice = Message("unpack-images", dataset=self._known.name, folder=self._root / self._known.images)
        return ImageSearch(tuple(self._folders), missing, missing_crops, advice)

    def _objects(self, draft: UnlinkedExample, split: Split) -> list[Path]:
        if split not in self._lists:
            return self._crops.crops(draft.image, split)[:KEPT] if draft.image else []
        key = draft.line - 1 if self._known is MNRE else draft.image
        names = self._lists[split].get(key, []) if key is not None else []
        found = [(name, self._crops.find(name, split)) for name in names]
        for name, path in found:
            if path is None:
                self._missing_crops.setdefault(split, {})[name] = None
        return [path for _, path in found if path]


def _list(file: Path, split: Split, problems: IssueLog) -> CropLists | None:
    try:
        return read_crop_list(file)
    except CropListError as error:
        problems.warn(split, error.code, error.message)
        return None
