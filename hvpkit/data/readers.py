"""The built-in dataset readers (no torch; what they need is imported when they are called)."""

from __future__ import annotations

from hvpkit.data.reading import Dataset, ReaderContext


def twitter2015(context: ReaderContext) -> Dataset:
    """Twitter-2015 as its authors publish it, in any usual layout; its type OTHER is MISC."""
    from hvpkit.data.labels import tag_labels
    from hvpkit.data.layout import TWITTER2015
    from hvpkit.data.public import read_public

    return read_public(TWITTER2015, tag_labels(), context)


def twitter2017(context: ReaderContext) -> Dataset:
    """Twitter-2017 as its authors publish it, in any usual layout."""
    from hvpkit.data.labels import tag_labels
    from hvpkit.data.layout import TWITTER2017
    from hvpkit.data.public import read_public

    return read_public(TWITTER2017, tag_labels(), context)


def mnre(context: ReaderContext) -> Dataset:
    """MNRE (v2) as its authors publish it, in any usual layout, with its 23 relations."""
    from hvpkit.data.labels import relation_labels
    from hvpkit.data.layout import MNRE
    from hvpkit.data.public import read_public

    return read_public(MNRE, relation_labels(), context)


def jsonl(context: ReaderContext) -> Dataset:
    """Your own data: a file of JSON lines, or a folder of {train,dev,test}.jsonl."""
    from hvpkit.data.own import read_own

    return read_own(context)
