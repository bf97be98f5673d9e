"""Factories of the built-in dataset readers; modules are imported when a factory is called."""

from __future__ import annotations

from hvpkit.data.readers.base import DatasetSplits, ReaderContext


def build_twitter2015(context: ReaderContext) -> DatasetSplits:
    """Twitter-2015 as published by its authors, in any common layout; type OTHER is read as MISC."""
    from hvpkit.data.readers.find_files import TWITTER2015
    from hvpkit.data.readers.public import read_public
    from hvpkit.labels.inventory import tag_labels

    return read_public(TWITTER2015, tag_labels(), context)


def build_twitter2017(context: ReaderContext) -> DatasetSplits:
    """Twitter-2017 as published by its authors, in any common layout."""
    from hvpkit.data.readers.find_files import TWITTER2017
    from hvpkit.data.readers.public import read_public
    from hvpkit.labels.inventory import tag_labels

    return read_public(TWITTER2017, tag_labels(), context)


def build_mnre(context: ReaderContext) -> DatasetSplits:
    """MNRE (v2) as published by its authors, in any common layout, with its 23 relations."""
    from hvpkit.data.readers.find_files import MNRE
    from hvpkit.data.readers.public import read_public
    from hvpkit.labels.inventory import relation_labels

    return read_public(MNRE, relation_labels(), context)


def build_jsonl(context: ReaderContext) -> DatasetSplits:
    """Your own data: a JSON Lines file, or a folder of {train,dev,test}.jsonl."""
    from hvpkit.data.readers.jsonl import read_jsonl

    return read_jsonl(context)
