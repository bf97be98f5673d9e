"""Read the public datasets in any layout: parse the texts, look up images and crops."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from hvpkit.data.readers.base import DatasetReader, DatasetSplits, ImageSearch, ReaderContext
from hvpkit.data.readers.crop_lists import MAX_CROPS, CropListError, CropLists, read_crop_list
from hvpkit.data.readers.find_files import MNRE, DatasetLayout, crop_folders, crop_lists, find_text_files, image_folders
from hvpkit.data.readers.mnre import read_pairs
from hvpkit.data.readers.twitter import read_tweets
from hvpkit.data.readers.unlinked import UnlinkedExample
from hvpkit.messages import Message
from hvpkit.records.image_index import ImageIndex
from hvpkit.records.issues import IssueLog, ReadingContext
from hvpkit.types import Example, Labels, Split, VisualObject


class PublicReader(DatasetReader):
    """Reader of one of the public datasets, which is searched under a folder.

    Args:
        context: Arguments of every reader.
        layout: Names of its folders and files.
        labels: Task and labels.
    """

    def __init__(self, context: ReaderContext, layout: DatasetLayout, labels: Labels) -> None:
        super().__init__(context)
        self._layout, self._labels = layout, labels

    def read(self) -> DatasetSplits:
        """Read the texts and look up the images.

        Raises:
            DataError: "root-missing", "no-text-files", "dataset-found-twice" or "split-twice" if the texts are not
                found; "nothing-usable", "split-file-empty" or "not-utf8" if a file cannot be used.
        """
        context, layout = self.context, self._layout
        root = Path(os.path.abspath(context.root))
        files = find_text_files(root, layout)
        read: Callable[[ReadingContext], list[UnlinkedExample]] = read_pairs if layout is MNRE else read_tweets
        unlinked = {split: read(ReadingContext(file, split, context.issues)) for split, file in files.items()}
        texts = next(iter(files.values())).parent
        source = f"{', '.join(file.name for file in files.values())} of {texts}"
        if context.text_only:
            examples = {split: [item.example for item in items] for split, items in unlinked.items()}
            return DatasetSplits(self._labels, examples, None, source)
        images = _Images(root, texts, layout, context.issues)
        splits = {split: [images.link(item, split) for item in items] for split, items in unlinked.items()}
        images_root = root.parent if texts == root else root
        return DatasetSplits(self._labels, splits, images_root, source, search=images.search())


class _Images:
    """Look up images and crops of examples, and collect the missing ones."""

    def __init__(self, root: Path, texts: Path, layout: DatasetLayout, issues: IssueLog) -> None:
        folders, crops = image_folders(root, texts, layout), crop_folders(root, texts, layout)
        self._folders, self._layout, self._root = folders, layout, root
        self._images = ImageIndex(folders, only_splits_of=texts, skip=crops)
        self._crops = ImageIndex(crops)
        files = crop_lists(root, texts, layout)
        lists = {split: _load_crop_list(file, split, issues) for split, file in files.items()}
        self._lists = {split: names for split, names in lists.items() if names}
        self._missing: dict[Split, dict[str, None]] = {}
        self._missing_crops: dict[Split, dict[str, None]] = {}

    def link(self, item: UnlinkedExample, split: Split) -> Example:
        """Add the image and the crops that exist to an example."""
        image = self._images.find(item.image, split) if item.image else None
        if item.image and image is None:
            self._missing.setdefault(split, {})[item.image] = None
        objects = tuple(VisualObject(path) for path in self._objects(item, split))
        return replace(item.example, image=image, objects=objects)

    def search(self) -> ImageSearch:
        """Return the result of the search."""
        missing = {split: tuple(names) for split, names in self._missing.items()}
        missing_crops = {split: tuple(names) for split, names in self._missing_crops.items()}
        advice = Message("unpack-images", dataset=self._layout.name, folder=self._root / self._layout.images)
        return ImageSearch(tuple(self._folders), missing, missing_crops, advice)

    def _objects(self, item: UnlinkedExample, split: Split) -> list[Path]:
        if split not in self._lists:
            return self._crops.crops(item.image, split)[:MAX_CROPS] if item.image else []
        key = item.line - 1 if self._layout is MNRE else item.image
        names = self._lists[split].get(key, []) if key is not None else []
        paths = [(name, self._crops.find(name, split)) for name in names]
        for name, path in paths:
            if path is None:
                self._missing_crops.setdefault(split, {})[name] = None
        return [path for _, path in paths if path]


def _load_crop_list(file: Path, split: Split, issues: IssueLog) -> CropLists | None:
    try:
        return read_crop_list(file)
    except CropListError as error:
        issues.warn(split, error.code, error.message)
        return None
